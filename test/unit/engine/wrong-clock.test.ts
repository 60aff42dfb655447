import { describe, expect, it } from "vitest";
import { REPEATED } from "../../../src/model/block.js";
import type { GroupDefinition } from "../../../src/model/group.js";
import { LIMITS } from "../../../src/model/limits.js";
import type { Summary } from "../../../src/model/summary.js";
import { ClockGateway } from "../../helpers/clock-gateway.js";
import { TRUE_START_MS } from "../../helpers/clock-scene.js";
import { BlockMaker, engineProfile, field, groupedEngine, tumbling } from "../../helpers/engine.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const YEAR = 365 * 24 * HOUR;
const sums = [{ field: 0, names: ["count", "sum"] }];
/** As profiles of devices without event time are compiled. */
const time = { ...engineProfile().time, maxFutureMs: 0, idleTimeoutMs: 5 * MINUTE };
const profile = engineProfile({ time, windows: [tumbling("1m", MINUTE, sums)] });

function finals(summaries: readonly Summary[]): Record<string, unknown> {
  return Object.fromEntries(
    summaries.filter(({ final }) => final).map((s) => [s.id.replace("gw/p/d/1m/", ""), s.fields.x?.count]),
  );
}

describe("readings without an event time, on a gateway that came up in 1970", () => {
  it("are in the windows of the time at which they came, once the clock is set", () => {
    const gateway = new ClockGateway(profile);
    gateway.scene.reboot(0);
    gateway.send(10, 30 * SECOND);
    expect(gateway.counts).toMatchObject({ received: 0, accepted: 0, waiting: 10 });
    expect(gateway.summaries).toEqual([]);
    gateway.scene.set();
    gateway.commit();
    expect(gateway.counts).toMatchObject({ received: 10, accepted: 10, rejected: {}, waiting: 0 });
    expect(finals(gateway.end())).toEqual({
      "2026-06-01T12:00:00Z": 2,
      "2026-06-01T12:01:00Z": 2,
      "2026-06-01T12:02:00Z": 2,
      "2026-06-01T12:03:00Z": 2,
      "2026-06-01T12:04:00Z": 2,
    });
  });

  it("keep their exact time over a restart of the agent", () => {
    const gateway = new ClockGateway(profile);
    gateway.scene.reboot(0);
    gateway.send(2, 30 * SECOND);
    gateway.restart();
    gateway.send(2, 30 * SECOND);
    gateway.restart();
    gateway.scene.set();
    gateway.commit();
    expect(finals(gateway.end())).toEqual({ "2026-06-01T12:00:00Z": 2, "2026-06-01T12:01:00Z": 2 });
  });

  it("are placed before the next boot where theirs ended without the time, with their distances", () => {
    const gateway = new ClockGateway(profile);
    gateway.scene.reboot(0);
    gateway.send(3, 5 * MINUTE);
    gateway.scene.reboot(HOUR);
    const bootedMs = gateway.scene.trueMs - 10 * SECOND;
    gateway.scene.set();
    gateway.commit();
    const starts = Object.keys(finals(gateway.end())).map((start) => Date.parse(start));
    const expected = [bootedMs - 10 * MINUTE, bootedMs - 5 * MINUTE, bootedMs];
    expect(starts).toEqual(expected.map((ms) => Math.floor(ms / MINUTE) * MINUTE));
  });

  it("do not keep the windows of before open, and are not late for it", () => {
    const gateway = new ClockGateway(profile);
    gateway.send(1, SECOND);
    gateway.scene.reboot(10 * MINUTE);
    gateway.send(20, MINUTE);
    expect(finals(gateway.summaries)).toEqual({ "2026-06-01T12:00:00Z": 1 });
    gateway.scene.set();
    gateway.commit();
    expect(gateway.counts).toMatchObject({ accepted: 21, rejected: {} });
  });

  it("leave readings with an event time alone, and these do not hold them up, however wrong they are", () => {
    const maxFutureMs = MINUTE;
    const gateway = new ClockGateway({ ...profile, time: { ...time, maxFutureMs } });
    gateway.scene.reboot(0);
    gateway.scene.step(40 * YEAR); // 2010, still not the time
    const wrong = gateway.scene.block();
    const group = {
      profile: profile.hash, device: "d", arrivals: [0], times: [TRUE_START_MS + 20 * YEAR], values: [[0.5]],
      keys: undefined, deliveries: [0], rejected: [],
    }; // biome-ignore format: one reading
    gateway.summaries.push(...gateway.engine.apply({ ...wrong, groups: [group] }));
    gateway.send(3, 10 * SECOND);
    gateway.send(3, 10 * SECOND, true);
    expect(gateway.counts).toMatchObject({ accepted: 1, rejected: { late: 3 }, waiting: 3 });
    gateway.scene.set();
    gateway.send(3, 10 * SECOND, true);
    expect(gateway.counts).toMatchObject({ accepted: 7, rejected: { late: 3 }, waiting: 0 });
    const counts = Object.values(finals(gateway.end()));
    expect(counts.reduce((sum: number, n) => sum + (n as number), 0)).toBe(7);
  });

  it("are known again when they come twice while they wait", () => {
    const gateway = new ClockGateway(profile);
    gateway.scene.reboot(0);
    const block = gateway.scene.block();
    const group = (deliveries: readonly number[]) => ({
      profile: profile.hash,
      device: "d",
      arrivals: deliveries.map(() => 20_000),
      times: deliveries.map(() => Number.NaN),
      values: deliveries.map(() => [1]),
      keys: undefined,
      deliveries: [...deliveries],
      rejected: [],
    });
    gateway.engine.apply({ ...block, groups: [group([5, 6])] });
    gateway.restart();
    gateway.engine.apply({ ...block, sequence: 2, groups: [group([-5, 7])] });
    expect(gateway.counts).toMatchObject({ waiting: 3, received: 1, rejected: { duplicate: 1 } });
  });

  it("keep the values that still mean the same when the definition changes while they wait", () => {
    const gateway = new ClockGateway(profile);
    gateway.scene.reboot(0);
    gateway.send(2, SECOND);
    const after = {
      ...profile,
      hash: "hash-2",
      fields: [field("new"), field("x")],
      windows: [tumbling("1m", MINUTE, [{ field: 1, names: ["sum"] }])],
    };
    gateway.engine.redefine({ profiles: [after] });
    gateway.scene.set();
    gateway.engine.apply(gateway.scene.block());
    expect(gateway.end().map(({ fields }) => fields)).toEqual([{ x: { sum: 3 } }]);
  });

  it("leave a group the same windows whichever of its members was the first to wait, as it may be another after a restart", () => {
    const kind = { type: "tumbling", sizeMs: MINUTE, offsetMs: 0 } as const;
    const of = { name: "1m", kind, allowedLatenessMs: 0, fields: { x: ["sum"] } };
    const group: GroupDefinition = { name: "g", members: {}, windows: [of] };
    const said = ["ab", "ba"].map((order) => {
      const engine = groupedEngine([{ ...profile, windows: [] }], [group]);
      const blocks = new BlockMaker(profile);
      const reading = (device: string, arrivalMs: number) => ({
        device,
        timeMs: Number.NaN,
        arrivalMs,
        values: [1],
      });
      const untrusted = { clockTrusted: false, bootClock: { boot: 1, offsetMs: 0 } };
      // By a clock that is ahead, until windows of the group have fired.
      for (const ms of [10 * MINUTE, 30 * MINUTE, 31 * MINUTE]) {
        engine.apply(blocks.block([reading("a", ms), reading("b", ms)]));
      }
      for (const device of order) {
        engine.apply(blocks.block([reading(device, device === "a" ? 50 * SECOND : 10 * SECOND)], untrusted));
      }
      // It is set, to where they came long before that.
      const set = { bootClock: { boot: 1, offsetMs: 12 * MINUTE } };
      return [...engine.apply(blocks.block([], set)), ...engine.flush()]
        .filter(({ members }) => members !== undefined)
        .map(({ id, final, fields }) => [id, final, fields.x?.sum]);
    });
    expect(said[0]).toEqual(said[1]);
    expect(said[0]!.length).toBeGreaterThan(0);
  });

  it("are counted when their profile goes before the clock is set", () => {
    const gateway = new ClockGateway(profile);
    gateway.scene.reboot(0);
    gateway.send(2, SECOND);
    gateway.engine.redefine({ retired: ["p"] });
    expect(gateway.counts).toMatchObject({
      received: 2,
      accepted: 0,
      rejected: { clockUnset: 2 },
      waiting: 0,
    });
    expect(gateway.engine.isHolding).toBe(false);
  });
});

describe("a wall clock that is stepped while a device without event time sends", () => {
  it("by seconds loses nothing and makes no new windows: stamps stand still until the time has come again", () => {
    const gateway = new ClockGateway(profile);
    gateway.send(6, 10 * SECOND);
    gateway.scene.step(-5 * SECOND);
    gateway.send(6, 10 * SECOND);
    expect(gateway.counts).toMatchObject({ accepted: 12, rejected: {} });
    // 11 s after the last: 5 s back and 10 s on; the first of them at 12:00:55 goes to 12:00:55 while that is open.
    expect(finals(gateway.end())).toEqual({ "2026-06-01T12:00:00Z": 7, "2026-06-01T12:01:00Z": 5 });
  });

  it("by seconds over an edge counts the reading in the window that is open", () => {
    const gateway = new ClockGateway(profile);
    gateway.send(7, 10 * SECOND);
    gateway.scene.step(-20 * SECOND);
    gateway.send(2, 10 * SECOND);
    expect(finals(gateway.end())).toEqual({ "2026-06-01T12:00:00Z": 6, "2026-06-01T12:01:00Z": 3 });
  });

  it("by two hours ahead and back goes on at once, with ids of their own for windows that were emitted", () => {
    const gateway = new ClockGateway(profile);
    gateway.send(2, 30 * SECOND);
    gateway.scene.step(2 * HOUR);
    gateway.send(2, 30 * SECOND);
    gateway.scene.step(-2 * HOUR);
    gateway.send(2, 30 * SECOND);
    expect(gateway.counts).toMatchObject({ accepted: 6, rejected: {} });
    expect(finals(gateway.end())).toEqual({
      "2026-06-01T12:00:00Z": 2,
      "2026-06-01T14:01:00Z": 2,
      "2026-06-01T12:02:00Z/2": 2,
    });
  });

  it("is known to be behind, over a restart too, exactly when the device's time is to begin anew", () => {
    const gateway = new ClockGateway(profile);
    gateway.send(2, 30 * SECOND);
    const lastMs = gateway.engine.counts()[0]!.lastTimeMs!;
    gateway.restart();
    const toleratedMs = Math.max(LIMITS.clockBackMsMax, profile.time.maxFutureMs);
    expect(gateway.engine.aheadOf(lastMs - toleratedMs)).toEqual({ devices: 0, byMs: 0 });
    const byMs = toleratedMs + 1;
    expect(gateway.engine.aheadOf(lastMs - byMs)).toEqual({ devices: 1, byMs });
  });

  it("again and again never uses an id twice", () => {
    const gateway = new ClockGateway(profile);
    for (let i = 0; i < 30; i++) {
      gateway.send(2, SECOND);
      gateway.scene.step(3 * HOUR);
      gateway.send(2, SECOND);
      gateway.scene.step(-3 * HOUR - 4 * SECOND);
      if (i % 7 === 0) gateway.restart();
    }
    const ids = gateway
      .end()
      .filter(({ final }) => final)
      .map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(gateway.counts).toMatchObject({ accepted: 120, rejected: {} });
  });

  it("lets lateness take in what it can, without new windows", () => {
    const gateway = new ClockGateway({ ...profile, windows: [tumbling("1m", MINUTE, sums, 3 * HOUR)] });
    gateway.send(2, 30 * SECOND);
    gateway.scene.step(2 * HOUR);
    gateway.send(1, 0);
    gateway.scene.step(-2 * HOUR);
    gateway.send(1, 0);
    expect(finals(gateway.end())).toEqual({
      "2026-06-01T12:00:00Z": 2,
      "2026-06-01T12:01:00Z": 1,
      "2026-06-01T14:01:00Z": 1,
    });
  });

  it("leaves a longer window that holds both times whole", () => {
    const windows = [tumbling("1m", MINUTE, sums), tumbling("1d", 24 * HOUR, sums)];
    const gateway = new ClockGateway({ ...profile, windows });
    gateway.send(2, SECOND);
    gateway.scene.step(2 * HOUR);
    gateway.send(2, SECOND);
    gateway.restart();
    gateway.scene.step(-2 * HOUR);
    gateway.send(2, SECOND);
    gateway.scene.wait(2 * HOUR);
    // The very minute that was filled too early: a new one, and yet the same day.
    gateway.send(2, SECOND);
    const days = gateway.end().filter(({ window }) => window.name === "1d");
    expect(days.map(({ id, fields }) => [id, fields.x?.sum])).toEqual([
      ["gw/p/d/1d/2026-06-01T00:00:00Z", 255],
    ]);
    const minutes = gateway.summaries.filter(({ window, final }) => window.name === "1m" && final);
    expect(minutes.reduce((sum, { fields }) => sum + (fields.x?.sum as number), 0)).toBe(255);
  });

  it("is ahead while silence closes windows, and back when the device speaks again", () => {
    const gateway = new ClockGateway(profile);
    gateway.scene.step(2 * HOUR);
    gateway.send(1, SECOND);
    gateway.scene.wait(10 * MINUTE);
    gateway.commit();
    expect(finals(gateway.summaries)).toEqual({ "2026-06-01T14:00:00Z": 1 });
    gateway.scene.step(-2 * HOUR);
    gateway.send(1, SECOND);
    expect(gateway.counts).toMatchObject({ accepted: 2, rejected: {} });
    expect(finals(gateway.end())).toEqual({ "2026-06-01T14:00:00Z": 1, "2026-06-01T12:10:00Z/2": 1 });
  });

  it("does not keep windows of the right time from firing when they end", () => {
    const gateway = new ClockGateway({ ...profile, windows: [tumbling("1m", MINUTE, sums, 10 * MINUTE)] });
    gateway.scene.step(2 * HOUR);
    gateway.send(2, MINUTE);
    gateway.scene.step(-2 * HOUR);
    gateway.send(2, MINUTE);
    expect(gateway.summaries.map(({ id, final }) => [id.slice(10), final])).toEqual([
      ["2026-06-01T14:00:00Z", false],
      ["2026-06-01T14:00:00Z", true],
      ["2026-06-01T14:01:00Z", true],
      ["2026-06-01T12:02:00Z/2", false],
    ]);
  });

  it("by fifty years either way makes readings wait, and they are in their true windows afterwards", () => {
    for (const years of [50, -50]) {
      const gateway = new ClockGateway(profile);
      gateway.send(2, 30 * SECOND);
      gateway.scene.step(years * YEAR);
      gateway.send(2, 30 * SECOND);
      gateway.scene.set();
      gateway.send(2, 30 * SECOND);
      expect(finals(gateway.end())).toEqual({
        "2026-06-01T12:00:00Z": 2,
        "2026-06-01T12:01:00Z": 2,
        "2026-06-01T12:02:00Z": 2,
      });
    }
  });
});

describe("a wall clock that is stepped while a device with event time sends", () => {
  const bounded = { ...profile, time: { ...time, maxFutureMs: MINUTE, maxPastMs: HOUR } };

  it.each([
    [2 * HOUR, "past"],
    [-2 * HOUR, "future"],
  ] as const)(
    "by %d ms counts what seems wrong as %s, and takes in the first one under the right time",
    (byMs, reason) => {
      const gateway = new ClockGateway(bounded);
      gateway.send(2, SECOND, true);
      gateway.scene.step(byMs);
      gateway.send(2, SECOND, true);
      gateway.scene.step(-byMs);
      gateway.send(2, SECOND, true);
      expect(gateway.counts).toMatchObject({ accepted: 4, rejected: { [reason]: 2 } });
    },
  );

  it("frees a device whose own clock was wrong too, from the first reading that is right", () => {
    const gateway = new ClockGateway(bounded);
    gateway.scene.step(2 * HOUR);
    gateway.scene.claim(2 * HOUR);
    gateway.send(2, SECOND, true);
    gateway.scene.step(-2 * HOUR);
    gateway.send(2, SECOND, true);
    gateway.scene.claim(0);
    gateway.send(2, SECOND, true);
    expect(gateway.counts).toMatchObject({ accepted: 4, rejected: { future: 2 } });
    expect(finals(gateway.end())).toEqual({ "2026-06-01T14:00:00Z": 2, "2026-06-01T12:00:00Z/2": 2 });
  });

  it("counts no reading twice whose packet comes again, when nobody can tell any more that it was counted", () => {
    const gateway = new ClockGateway(bounded);
    const take = (arrivalMs: number, timeMs: number, delivery: number) => {
      const group = {
        profile: bounded.hash, device: "d", arrivals: [arrivalMs], times: [timeMs], values: [[1]],
        keys: undefined, deliveries: [delivery], rejected: [],
      }; // biome-ignore format: one reading
      gateway.summaries.push(...gateway.engine.apply({ ...gateway.scene.block(), groups: [group] }));
    };
    const noon = TRUE_START_MS;
    const first = noon + 30 * SECOND;
    take(first, first, 0);
    take(noon + 2 * HOUR, noon + 2 * HOUR, 0);
    // The clock is right again.
    take(noon + MINUTE, first, REPEATED);
    take(noon + MINUTE, noon + 40 * SECOND, 0);
    take(noon + MINUTE, noon + 50 * SECOND, REPEATED);
    expect(gateway.counts).toMatchObject({ accepted: 4, rejected: { late: 1 } });
    expect(finals(gateway.end())).toEqual({
      "2026-06-01T12:00:00Z": 1,
      "2026-06-01T14:00:00Z": 1,
      "2026-06-01T12:00:00Z/2": 2,
    });
  });

  it("disturbs nobody's silence: it is measured by the machine's own clock", () => {
    const gateway = new ClockGateway(bounded);
    gateway.send(1, SECOND, true);
    gateway.scene.step(20 * YEAR);
    gateway.scene.wait(4 * MINUTE);
    gateway.commit();
    expect(finals(gateway.summaries)).toEqual({});
    gateway.scene.wait(2 * MINUTE);
    gateway.commit();
    expect(finals(gateway.summaries)).toEqual({ "2026-06-01T12:00:00Z": 1 });
  });
});
