import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GroupDefinition } from "../../../src/model/group.js";
import { LIMITS } from "../../../src/model/limits.js";
import type { Summary } from "../../../src/model/summary.js";
import type { FillRule } from "../../../src/model/window.js";
import { cases } from "../../helpers/cases.js";
import { ClockGateway } from "../../helpers/clock-gateway.js";
import {
  BlockMaker,
  engineProfile,
  field,
  groupedEngine,
  hopping,
  newEngine,
  restored,
  type TestReading,
  tumbling,
} from "../../helpers/engine.js";
import { newestOf } from "../../helpers/newest.js";

const MINUTE = 60_000;
const AGGREGATES = [{ field: 0, names: ["count", "mean", "max"] }];

function filling(fill: FillRule, allowedLatenessMs = 0) {
  return engineProfile({
    fields: [field("x", { unit: "Cel" }), field("y")],
    windows: [{ ...tumbling("1m", MINUTE, AGGREGATES, allowedLatenessMs), fill }],
  });
}

function fired(profile: ReturnType<typeof engineProfile>, readings: readonly TestReading[]): Summary[] {
  const engine = newEngine(profile);
  const blocks = new BlockMaker(profile);
  return [...readings.flatMap((r) => engine.apply(blocks.block([r]))), ...engine.flush()];
}

function reading(minute: number, x: number): TestReading {
  return { timeMs: minute * MINUTE, values: [x, Number.NaN] };
}

describe("a series that is to have no holes", () => {
  it.each<[FillRule, readonly (number | null)[]]>([
    ["null", [10, null, null, null, 20]],
    ["previous", [10, 10, 10, 10, 20]],
    ["linear", [10, 12.5, 15, 17.5, 20]],
    [7, [10, 7, 7, 7, 20]],
  ])("fills windows in which nothing was with %j, and says which fields", (fill, means) => {
    const summaries = fired(filling(fill), [reading(0, 10), reading(4, 20)]);
    expect(summaries.map(({ fields }) => fields.x!.mean)).toEqual(means);
    expect(summaries.map(({ fields }) => fields.x!.unit)).toEqual(means.map(() => "Cel"));
    expect(summaries.map(({ fields }) => fields.x!.count)).toEqual([1, 0, 0, 0, 1]);
    expect(summaries.map(({ filled }) => filled)).toEqual([undefined, ["x"], ["x"], ["x"], undefined]);
    expect(summaries.every(({ revision, final }) => revision === 0 && final)).toBe(true);
    expect(new Set(summaries.map(({ id }) => id)).size).toBe(5);
    expect(summaries[1]!.quality).toEqual({ received: 0, accepted: 0 });
  });

  it("never says that a switch was half on", () => {
    const names = ["last", "min", "max", "mean"];
    const profile = engineProfile({
      fields: [field("on", { type: "bool" })],
      windows: [{ ...tumbling("1m", MINUTE, [{ field: 0, names }]), fill: "linear" }],
    });
    const [, hole] = fired(profile, [reading(0, 0), reading(2, 1)]);
    expect(hole!.fields.on).toEqual({ last: 0, min: 0, max: 0, mean: 0.5 });
    const [, other] = fired(
      { ...profile, windows: profile.windows.map((window) => ({ ...window, fill: 0.7 })) },
      [reading(0, 0), reading(2, 1)],
    );
    expect(other!.fields.on).toEqual({ last: null, min: null, max: null, mean: 0.7 });
  });

  it("fills a field without a value in a window with readings of others", () => {
    const other: TestReading = { timeMs: MINUTE, values: [Number.NaN, 1] };
    const [, middle] = fired(filling("previous"), [reading(0, 10), other, reading(2, 20)]);
    expect(middle).toMatchObject({ filled: ["x"], fields: { x: { count: 0, mean: 10 } } });
    expect(middle!.quality.accepted).toBe(1);
  });

  it("waits with a hole until no late reading can come into it", () => {
    const profile = filling("previous", 2 * MINUTE);
    const engine = newEngine(profile);
    const blocks = new BlockMaker(profile);
    const said = (minute: number, x: number) => engine.apply(blocks.block([reading(minute, x)]));
    const summaries = [...said(0, 10), ...said(3, 20), ...said(1, 15), ...said(4.5, 1), ...said(8, 0)];
    const finals = summaries.filter(({ final }) => final);
    expect(finals.map(({ window, filled }) => [window.start!.slice(14, 16), filled])).toEqual([
      ["00", undefined],
      ["01", undefined],
      ["02", ["x"]],
      ["03", undefined],
      ["04", undefined],
    ]);
  });

  it("leaves a hole that is too long, and goes on behind it", () => {
    const summaries = fired(filling("null"), [reading(0, 1), reading(20_000, 2), reading(20_002, 3)]);
    expect(summaries.map(({ fields }) => fields.x!.mean)).toEqual([1, 2, null, 3]);
  });

  it("has one summary for each window between the first and the last, whatever came and whenever it was restarted", () => {
    const profile = {
      ...filling("linear"),
      windows: [{ ...hopping("h", [30_000, 10_000], AGGREGATES), fill: 0 }],
    };
    const minutes = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(minutes, fc.infiniteStream(fc.boolean()), (given, restart) => {
        let engine = newEngine(profile);
        const blocks = new BlockMaker(profile);
        const summaries: Summary[] = [];
        for (const minute of given.sort((a, b) => a - b)) {
          summaries.push(...engine.apply(blocks.block([reading(minute, 1)])));
          if (restart.next().value) engine = restored(engine, profile);
        }
        summaries.push(...engine.flush());
        const starts = summaries.map(({ window }) => Date.parse(window.start!));
        const expected = Array.from({ length: starts.length }, (_, i) => starts[0]! + i * 10_000);
        expect(starts).toEqual(expected);
        expect(summaries.filter(({ filled }) => filled === undefined)).toHaveLength(given.length * 3);
      }),
      cases(),
    );
  });
});

describe("a hole that is longer than one block may fill", () => {
  const [MINUTES, SHARE] = [1_000, 64];
  const profile = engineProfile({
    windows: [{ ...tumbling("1m", MINUTE, AGGREGATES), fill: "linear" }],
    fields: [field("x")],
  });
  const groups: readonly GroupDefinition[] = [
    {
      name: "all",
      members: {},
      windows: [
        {
          name: "1m",
          kind: { type: "tumbling", sizeMs: MINUTE, offsetMs: 0 },
          allowedLatenessMs: 0,
          fields: { x: ["count", "mean"] },
          fill: "linear",
        },
      ],
    },
  ];
  const minutes = [0, 1, MINUTES, MINUTES + 1];

  it("is filled by as many in each block, over restarts too, with the values that it would have at once", () => {
    const whole = groupedEngine([profile], groups);
    const maker = new BlockMaker(profile);
    const atOnce = minutes.flatMap((minute, i) =>
      whole.apply(maker.block([{ timeMs: minute * MINUTE, values: [i / 7] }])),
    );
    let engine = groupedEngine([profile], groups);
    const blocks = new BlockMaker(profile);
    const said: Summary[] = [];
    const take = (readings: readonly TestReading[]) => {
      const { summaries, left } = engine.applyPart(blocks.block(readings, { shareMax: SHARE }), SHARE);
      expect(left).toEqual([]);
      // What is filled, of a device and of a group, and the last word behind each.
      expect(summaries.length).toBeLessThanOrEqual(2 * (SHARE + 1));
      said.push(...summaries);
    };
    for (const [i, minute] of minutes.entries()) {
      take([{ timeMs: minute * MINUTE, values: [i / 7] }]);
      for (let more = 0; engine.isBehind; more++) {
        expect(more).toBeLessThan(MINUTES);
        if (more % 3 === 0) engine = restored(engine, profile);
        take([]);
      }
    }
    expect(said).toHaveLength(2 * MINUTES + 2);
    for (const isOfGroup of [false, true]) {
      const of = (all: readonly Summary[]) =>
        all.filter(({ members }) => (members !== undefined) === isOfGroup);
      expect(of(said)).toEqual(of(atOnce));
    }
  });

  it("is filled by as many at a time where its definition ends", () => {
    const engine = groupedEngine([profile], groups);
    const blocks = new BlockMaker(profile);
    for (const minute of [0, 1, MINUTES])
      engine.apply(blocks.block([{ timeMs: minute * MINUTE, values: [1] }]));
    engine.changeover.begin({
      profiles: [{ ...profile, hash: "other", windows: [tumbling("2m", 2 * MINUTE, AGGREGATES)] }],
    });
    const portions: number[] = [];
    while (engine.changeover.isUnderWay) portions.push(engine.changeover.portion().summaries.length);
    expect(portions.reduce((sum, count) => sum + count, 0)).toBe(MINUTES - 1);
    expect(Math.max(...portions)).toBeLessThanOrEqual(LIMITS.changeShareMax + 2);
  });
});

describe("a clock that is set back while a series is to have no holes", () => {
  const sums = [{ field: 0, names: ["sum"] }];
  const profile = engineProfile({
    time: { ...engineProfile().time, maxFutureMs: 0 },
    windows: [
      // Not late for this one where time begins anew for that one.
      { ...tumbling("whole", 2 * MINUTE, sums, 20 * MINUTE), fill: "null" },
      tumbling("1m", MINUTE, sums),
    ],
  });

  it("never has a window said to be empty, for good, that is not", () => {
    const act = fc.record({
      waitMs: fc.constantFrom(MINUTE, 5 * MINUTE, 30 * MINUTE),
      backMs: fc.constantFrom(0, 0, 0, 3 * MINUTE, 8 * MINUTE),
      restarts: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 12 }), (acts) => {
        const gateway = new ClockGateway(profile);
        for (const { waitMs, backMs, restarts } of acts) {
          gateway.scene.step(-backMs);
          gateway.send(1, waitMs);
          if (restarts) gateway.restart();
        }
        const newest = [...newestOf(gateway.end()).values()].filter(({ window }) => window.name === "whole");
        const sum = newest.reduce((all, { fields }) => all + ((fields.x?.sum as number | null) ?? 0), 0);
        expect(sum).toBe(2 ** acts.length - 1);
      }),
      cases(),
    );
  });
});

describe("a window that is to say early what it has", () => {
  const profile = engineProfile({
    windows: [{ ...tumbling("1m", MINUTE, AGGREGATES), earlyMs: 10_000 }],
  });
  const at = (second: number): TestReading => ({ timeMs: second * 1_000, values: [1] });

  it("does so once in each step of event time in which something came, and then once as final", () => {
    const summaries = fired(profile, [at(1), at(5), at(12), at(13), at(19), at(41), at(60)]);
    expect(summaries.map(({ revision, final, fields }) => [revision, final, fields.x!.count])).toEqual([
      [0, false, 3],
      [1, false, 6],
      [2, true, 6],
      [0, true, 1],
    ]);
  });

  it("fires on time although it has fired early, and again for late readings", () => {
    const late = { ...profile, windows: [{ ...profile.windows[0]!, allowedLatenessMs: MINUTE }] };
    const summaries = fired(late, [at(1), at(12), at(61), at(30), at(130)]);
    const first = summaries.filter(({ window }) => window.start === "1970-01-01T00:00:00Z");
    expect(first.map(({ revision, final, fields }) => [revision, final, fields.x!.count])).toEqual([
      [0, false, 2],
      [1, false, 2],
      [2, false, 3],
      [3, true, 3],
    ]);
  });
});
