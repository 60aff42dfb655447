import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cases } from "../../helpers/cases.js";
import { append, rig } from "../../helpers/forwarder-rig.js";
import { ManualClock, settle } from "../../helpers/manual-clock.js";
import { MemoryCursors, MemoryLog } from "../../helpers/memory-log.js";

describe("Forwarder.stop", () => {
  it("lets the delivery in flight end, saves its cursor, and begins no other", async () => {
    const { clock, log, cursors, target, schedule, forwarder } = rig();
    append(log, 25);
    target.holding = true;
    forwarder.start();
    schedule.due();
    await clock.run(0);
    const stopped = forwarder.stop();
    target.release();
    await stopped;
    expect(cursors.saves).toEqual([10]);
    expect(target.batches).toEqual([10]);
    expect(clock.timersPending()).toBe(0);
    expect(schedule.stopped).toBe(true);
  });

  it("abandons a delivery that does not end in time, and leaves the cursor where it was", async () => {
    const { clock, log, cursors, target, schedule, forwarder, recorder } = rig();
    append(log, 5);
    target.holding = true;
    forwarder.start();
    schedule.due();
    await clock.run(0);
    let done = false;
    void forwarder.stop().then(() => {
      done = true;
    });
    await clock.run(1_999);
    expect(done).toBe(false);
    await clock.run(1);
    expect(done).toBe(true);
    expect(cursors.saves).toEqual([]);
    expect(recorder.named("forward-abandoned")).toHaveLength(1);
    expect(clock.timersPending()).toBe(0);
  });

  it("saves no cursor when the abandoned delivery is confirmed after all: the store may be closed", async () => {
    const { clock, log, cursors, target, schedule, forwarder } = rig();
    append(log, 5);
    target.holding = true;
    target.stop = async () => {};
    forwarder.start();
    schedule.due();
    await clock.run(0);
    void forwarder.stop();
    await clock.run(2_000);
    target.release();
    await settle();
    expect(cursors.saves).toEqual([]);
  });

  it("delivers nothing more when the stop comes while the log is being read", async () => {
    const { clock, log, target, schedule, forwarder } = rig();
    append(log, 5);
    let stopped: Promise<void> | undefined;
    const read = log.read.bind(log);
    log.read = (after, bounds) => {
      stopped = forwarder.stop();
      return read(after, bounds);
    };
    forwarder.start();
    schedule.due();
    await clock.run(0);
    await stopped;
    expect(target.batches).toEqual([]);
  });

  it.each([
    ["a retry", "retrying", { away: true, due: true }],
    ["the rate", "limited", { away: false, due: true }],
    ["a due time", "idle", { away: false, due: false }],
  ])("ends at once while it waits for %s", async (_, state, { away, due }) => {
    const { clock, log, target, schedule, forwarder } = rig({ rateMaxPerSecond: 0.001 });
    append(log, 2);
    target.away = away;
    forwarder.start();
    if (due) schedule.due();
    await clock.run(1);
    expect(forwarder.status().state).toBe(state);
    await forwarder.stop();
    expect(clock.timersPending()).toBe(0);
    expect(forwarder.status().state).toBe("stopped");
  });
});

describe("Forwarder under any failures", () => {
  it("delivers every entry, in order up to repetition, whatever fails and however often it is restarted", async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("append" as const), n: fc.integer({ min: 1, max: 25 }) }),
      fc.record({
        do: fc.constantFrom("away", "back", "due", "restart", "saveFails", "saveWorks", "hold"),
        n: fc.integer({ min: 0, max: 30_000 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const clock = new ManualClock();
        const log = new MemoryLog();
        const cursors = new MemoryCursors();
        const received: number[] = [];
        let r = rig({ clock, log, cursors });
        r.forwarder.start();
        const restart = async (): Promise<void> => {
          const stopped = r.forwarder.stop();
          await clock.run(2_000);
          await stopped;
          received.push(...r.positions());
          r = rig({ clock, log, cursors });
          r.forwarder.start();
        };
        for (const action of steps) {
          if (action.do === "append") append(log, action.n);
          if (action.do === "away") r.target.away = true;
          if (action.do === "back") r.target.away = false;
          if (action.do === "hold") r.target.holding = true;
          if (action.do === "due") r.schedule.due();
          if (action.do === "saveFails") cursors.saveError = new Error("disk full");
          if (action.do === "saveWorks") cursors.saveError = undefined;
          if (action.do === "restart") await restart();
          await clock.run(action.n);
        }
        cursors.saveError = undefined;
        await restart();
        r.schedule.due();
        await clock.run(120_000);
        received.push(...r.positions());
        await r.forwarder.stop();

        let highest = 0;
        for (const position of received) {
          expect(position).toBeLessThanOrEqual(highest + 1);
          highest = Math.max(highest, position);
        }
        expect(highest).toBe(log.head());
        expect([...cursors.saves].sort((a, b) => a - b)).toEqual(cursors.saves);
      }),
      { ...cases(), verbose: true },
    );
  });
});
