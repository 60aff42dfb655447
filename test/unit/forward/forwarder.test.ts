import { describe, expect, it } from "vitest";
import { WeirError } from "../../../src/model/errors.js";
import { FakeTarget } from "../../helpers/fake-target.js";
import { append, rig, upTo } from "../../helpers/forwarder-rig.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { MemoryCursors, MemoryLog, summaryJson } from "../../helpers/memory-log.js";

describe("Forwarder", () => {
  it("delivers in order, in batches within the target's bounds, and saves the cursor after each", async () => {
    const { clock, log, cursors, target, schedule, forwarder, positions } = rig();
    append(log, 25);
    forwarder.start();
    schedule.due();
    await clock.run(0);
    expect(positions()).toEqual(upTo(25));
    expect(target.batches).toEqual([10, 10, 5]);
    expect(cursors.saves).toEqual([10, 20, 25]);
    expect(forwarder.status()).toMatchObject({
      state: "idle",
      cursor: 25,
      lagEntries: 0,
      deliveredEntries: 25,
    });
  });

  it("keeps within the batch's bytes, and sends a longer entry alone", async () => {
    const bytes = Buffer.byteLength(summaryJson(1));
    const { clock, log, target, schedule, forwarder } = rig({
      fake: new FakeTarget({ batch: { entriesMax: 10, bytesMax: bytes * 2 + 4 } }),
    });
    append(log, 5);
    log.append(summaryJson(6, "x".repeat(5 * bytes)));
    forwarder.start();
    schedule.due();
    await clock.run(0);
    expect(target.batches).toEqual([2, 2, 1, 1]);
  });

  it("moves no cursor before the upstream has confirmed", async () => {
    const { clock, log, cursors, target, schedule, forwarder } = rig();
    append(log, 3);
    target.holding = true;
    forwarder.start();
    schedule.due();
    await clock.run(60_000);
    expect(cursors.saves).toEqual([]);
    expect(forwarder.status()).toMatchObject({ state: "delivering", cursor: 0, lagEntries: 3 });
    target.release();
    await clock.run(0);
    expect(cursors.saves).toEqual([3]);
  });

  it("sends nothing before it is due, and then what was there when it was", async () => {
    const { clock, log, schedule, forwarder, target, positions } = rig();
    forwarder.start();
    append(log, 4);
    await clock.run(3_600_000);
    expect(positions()).toEqual([]);
    target.holding = true;
    schedule.due();
    await clock.run(0);
    append(log, 2); // came after the due time
    target.release();
    await clock.run(3_600_000);
    expect(positions()).toEqual(upTo(4));
    schedule.due();
    await clock.run(0);
    expect(positions()).toEqual(upTo(6));
  });

  it("goes on with a drain whose due time passed while the upstream was away, without a new due time", async () => {
    const { clock, log, schedule, forwarder, target, positions } = rig();
    append(log, 12);
    target.away = true;
    forwarder.start();
    schedule.due();
    await clock.run(8 * 3_600_000);
    expect(positions()).toEqual([]);
    expect(forwarder.status().state).toBe("retrying");
    target.away = false;
    await clock.run(60_000);
    expect(positions()).toEqual(upTo(12));
  });

  it("backs off exponentially up to the maximum, says so once, and starts over after a success", async () => {
    const { clock, log, schedule, forwarder, target, recorder } = rig();
    append(log, 1);
    target.away = true;
    forwarder.start();
    schedule.due();
    const attempts: number[] = [];
    for (let second = 0; second < 150; second++) {
      const before = target.batches.length;
      await clock.run(500);
      if (target.batches.length > before) attempts.push(second * 0.5 + 0.5);
    }
    // Half of 1, 2, 4, … s, then half of 60 s.
    expect(attempts.slice(0, 7)).toEqual([0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5]);
    expect(recorder.named("forward-failed")).toHaveLength(1);
    // An error that knows no remedy leaves the hint out.
    expect(Object.values(recorder.named("forward-failed")[0]!)).not.toContain("");
    expect(recorder.named("forward-retry").length).toBeGreaterThan(5);
    expect(forwarder.status().lastError).toMatchObject({ code: "fake-away" });
    target.away = false;
    await clock.run(60_000);
    expect(recorder.named("forward-recovered")).toEqual([{ target: "fake", failures: 8 }]);
    expect(forwarder.status()).toMatchObject({ failures: 0, state: "idle" });
  });

  it("does not warn of a target without a connection, which warns itself and is so at every start", async () => {
    const { clock, log, schedule, forwarder, target, recorder, positions } = rig();
    append(log, 3);
    const deliver = target.deliver.bind(target);
    target.deliver = async () => {
      throw new WeirError("target-away", "not connected", { retryable: true });
    };
    forwarder.start();
    schedule.due();
    await clock.run(10);
    expect(forwarder.status()).toMatchObject({ state: "retrying", lastError: { code: "target-away" } });
    target.deliver = deliver;
    target.comeBack();
    await clock.run(0);
    expect(positions()).toEqual(upTo(3));
    expect(recorder.events.map(({ name }) => name)).toEqual(["forward-retry"]);
  });

  it("delivers at once when the target says that it is back, and only wakes from the wait for a retry", async () => {
    const { clock, log, schedule, forwarder, target, positions } = rig();
    append(log, 3);
    target.away = true;
    forwarder.start();
    schedule.due();
    await clock.run(120_000);
    target.comeBack();
    await clock.run(0);
    expect(positions()).toEqual(upTo(3));
    append(log, 1);
    target.comeBack();
    await clock.run(60_000);
    expect(positions()).toEqual(upTo(3)); // not due
    await forwarder.stop();
    expect(target.listeners.size).toBe(0);
  });

  it("does not let new summaries cut the wait for an upstream that is away short", async () => {
    const { clock, log, schedule, forwarder, target } = rig();
    target.away = true;
    forwarder.start();
    for (let n = 0; n < 1_000; n++) {
      append(log, 1);
      schedule.due();
      await clock.run(10);
    }
    expect(target.batches.length).toBeLessThan(6);
  });

  it("passes over an entry that can never be delivered, and delivers its neighbours", async () => {
    const { clock, log, cursors, schedule, forwarder, target, recorder, positions } = rig();
    append(log, 25);
    target.refuses = (entry) => entry.position === 4 || entry.position === 10;
    forwarder.start();
    schedule.due();
    await clock.run(0);
    expect(positions()).toEqual(upTo(25).filter((n) => n !== 4 && n !== 10));
    expect(cursors.saves.at(-1)).toBe(25);
    expect(recorder.named("forward-set-aside")).toMatchObject([
      { position: 4, code: "too-large" },
      { position: 10 },
    ]);
    expect(forwarder.status()).toMatchObject({ setAsideEntries: 2, deliveredEntries: 23 });
    expect(target.batches.slice(-2)).toEqual([10, 5]); // in batches again behind the bad one
  });

  it("reports the hole when the log gave up what was not confirmed, with its bounds", async () => {
    const { clock, log, schedule, forwarder, target, recorder, positions } = rig();
    append(log, 30);
    target.away = true;
    forwarder.start();
    schedule.due();
    await clock.run(10_000);
    log.dropBelow(19);
    target.away = false;
    await clock.run(60_000);
    expect(positions()).toEqual(upTo(30, 19));
    expect(recorder.named("forward-dropped")).toEqual([{ target: "fake", first: 1, last: 18, entries: 18 }]);
    expect(forwarder.status()).toMatchObject({ droppedEntries: 18, lagEntries: 0 });
  });

  it("sees the hole, too, when the log is cut while it is being read", async () => {
    const { clock, log, schedule, forwarder, recorder, positions } = rig();
    append(log, 5);
    const read = log.read.bind(log);
    log.read = (after, bounds) => {
      log.dropBelow(3);
      return read(after, bounds);
    };
    forwarder.start();
    schedule.due();
    await clock.run(0);
    expect(positions()).toEqual([3, 4, 5]);
    expect(recorder.named("forward-dropped")).toMatchObject([{ first: 1, last: 2 }]);
  });

  it("does not stand still before damaged entries, wherever they are, and counts them", async () => {
    const { clock, log, schedule, forwarder, positions, recorder } = rig();
    append(log, 45);
    const damaged = [1, 2, 15, ...upTo(32, 21), 45];
    for (const position of damaged) log.damaged.add(position);
    forwarder.start();
    schedule.due();
    await clock.run(0);
    expect(positions()).toEqual(upTo(45).filter((position) => !log.damaged.has(position)));
    expect(forwarder.status()).toMatchObject({ state: "idle", cursor: 45, droppedEntries: damaged.length });
    expect(recorder.named("forward-failed")).toEqual([]);
  });

  it("notices a hole even when everything is gone, and counts it once across a restart", async () => {
    const first = rig();
    await first.cursors.save("fake", { confirmed: 0, reserved: 0 });
    append(first.log, 5);
    first.log.dropBelow(6);
    first.forwarder.start();
    await first.clock.run(0);
    expect(first.recorder.named("forward-dropped")).toHaveLength(1);
    expect(first.cursors.saves).toEqual([5]);
    const second = rig({ log: first.log, cursors: first.cursors });
    second.forwarder.start();
    second.schedule.due();
    await second.clock.run(0);
    expect(second.recorder.named("forward-dropped")).toEqual([]);
  });

  it("delivers everything again when the cursor is beyond the log, instead of nothing", async () => {
    const cursors = new MemoryCursors();
    await cursors.save("fake", { confirmed: 1_000, reserved: 1_000 });
    const { clock, log, schedule, forwarder, recorder, positions } = rig({ cursors });
    append(log, 3);
    forwarder.start();
    schedule.due();
    await clock.run(0);
    expect(positions()).toEqual(upTo(3));
    expect(recorder.named("forward-cursor-ahead")).toEqual([{ target: "fake", cursor: 1_000, head: 3 }]);
  });

  it("does not deliver again when only the cursor could not be written", async () => {
    const { clock, log, cursors, schedule, forwarder, target, positions } = rig();
    append(log, 3);
    const deliver = target.deliver.bind(target);
    target.deliver = (entries) => {
      cursors.saveError = new Error("disk full");
      return deliver(entries);
    };
    forwarder.start();
    schedule.due();
    await clock.run(5_000);
    expect(positions()).toEqual(upTo(3));
    expect(forwarder.status()).toMatchObject({ cursor: 0, state: "retrying" });
    cursors.saveError = undefined;
    await clock.run(60_000);
    expect(positions()).toEqual(upTo(3));
    expect(forwarder.status()).toMatchObject({ cursor: 3, state: "idle", failures: 0 });
  });

  it("retries when the log cannot be read", async () => {
    const { clock, log, schedule, forwarder, positions } = rig();
    append(log, 3);
    log.readError = new Error("the database is being opened again");
    forwarder.start();
    schedule.due();
    await clock.run(5_000);
    log.readError = undefined;
    await clock.run(60_000);
    expect(positions()).toEqual(upTo(3));
  });

  it("keeps to the rate, over retries too, and makes no batches of one out of it", async () => {
    const { clock, log, schedule, forwarder, target, positions } = rig({ rateMaxPerSecond: 20 });
    append(log, 200);
    forwarder.start();
    schedule.due();
    await clock.run(0);
    expect(positions().length).toBe(20);
    await clock.run(4_000);
    expect(positions().length).toBe(100);
    expect(target.batches.every((entries) => entries === 10)).toBe(true);
    clock.stepWall(clock.wallMs() + 86_400_000);
    await clock.run(1_000);
    expect(positions().length).toBe(120);
  });

  it("has a target that is away hold back only itself", async () => {
    const clock = new ManualClock();
    const log = new MemoryLog();
    const cursors = new MemoryCursors();
    const away = rig({ clock, log, cursors, fake: new FakeTarget({ name: "away" }) });
    const there = rig({ clock, log, cursors, fake: new FakeTarget({ name: "there" }) });
    away.target.away = true;
    for (const { forwarder } of [away, there]) forwarder.start();
    append(log, 30);
    for (const { schedule } of [away, there]) schedule.due();
    await clock.run(1_000);
    expect(there.positions()).toEqual(upTo(30));
    expect(away.positions()).toEqual([]);
  });
});
