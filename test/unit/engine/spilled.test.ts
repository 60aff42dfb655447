import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Engine } from "../../../src/engine/engine.js";
import { besideBytesOf, weightOf } from "../../../src/engine/footprint.js";
import type { GroupCounts } from "../../../src/engine/groups.js";
import type { Block } from "../../../src/model/block.js";
import { CorruptRecord } from "../../../src/model/bytes.js";
import type { GroupDefinition } from "../../../src/model/group.js";
import type { EngineProfile } from "../../../src/model/profile.js";
import type { Summary } from "../../../src/model/summary.js";
import { cases } from "../../helpers/cases.js";
import {
  BlockMaker,
  engineProfile,
  field,
  finalBodies,
  groupedEngine,
  hopping,
  type TestReading,
  tumbling,
} from "../../helpers/engine.js";
import { SpillingEngine } from "../../helpers/spilling.js";
import { oracle } from "../../oracle/oracle.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const LATE = 2 * MINUTE;
const STATS = ["count", "sum", "mean", "first", "last", "min", "max", "p95", "distinct"];
const ORDERED = ["timeAverage", "delta", "transitions"];
const plain = [{ field: 0, names: STATS }];
const all = [
  { field: 0, names: [...STATS, ...ORDERED] },
  { field: 1, names: ["count", "mode", "last"] },
];

const bounded = [
  tumbling("10s", 10 * SECOND, plain, LATE),
  hopping("1m/20s", [MINUTE, 20 * SECOND], plain, LATE),
];
const folded: EngineProfile["windows"] = [
  {
    name: "session",
    kind: { type: "session", gapMs: 7_000, maxMs: MINUTE },
    earlyMs: 5_000,
    allowedLatenessMs: LATE,
    aggregates: all,
  },
  {
    name: "three",
    kind: { type: "count", size: 3, maxAgeMs: MINUTE },
    allowedLatenessMs: LATE,
    aggregates: all,
  },
  {
    name: "sliding",
    kind: { type: "sliding", sizeMs: 15_000, emit: ([x]) => (x as number) > 40, source: "x > 40" },
    allowedLatenessMs: LATE,
    aggregates: all,
  },
];
const profiles: Readonly<Record<string, EngineProfile["windows"]>> = {
  bounded,
  ordered: [tumbling("10s", 10 * SECOND, all, LATE), tumbling("1m", MINUTE, all, LATE)],
  folded: [...folded, tumbling("30s", 30 * SECOND, all)],
  "filled, early and global": [
    { ...tumbling("10s", 10 * SECOND, plain, LATE), fill: "previous" },
    { ...tumbling("1m", MINUTE, plain, LATE), earlyMs: 5_000 },
    { name: "ever", kind: { type: "global" }, allowedLatenessMs: 0, aggregates: plain },
  ],
};

function profileOf(windows: EngineProfile["windows"], rest: Partial<EngineProfile> = {}): EngineProfile {
  return engineProfile({
    fields: [field("x"), field("state", { type: "string" })],
    time: { ...engineProfile().time, outOfOrdernessMs: 3_000, idleTimeoutMs: 20 * SECOND },
    windows,
    ...rest,
  });
}

const reading = fc.record({
  device: fc.constantFrom("a", "b", "c", "d"),
  /** Behind the time that the run has come to. */
  behindMs: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 0, max: 170 }).map((s) => s * SECOND),
  ),
  values: fc.tuple(fc.integer({ min: 0, max: 60 }), fc.constantFrom("on", "off")),
  again: fc.integer({ min: 0, max: 6 }),
});
/** Of a tick that looks at some devices only. */
const tickPart = fc.constantFrom({}, ...[0, 1].map((part) => ({ tickPart: { part, parts: 2 } })));
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("block" as const), readings: fc.array(reading, { maxLength: 6 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("store" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("silence" as const), tickPart }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reconfigure" as const), diesAfter: fc.constantFrom(0, 1, 2, 9) }) },
); // biome-ignore format: a table
/** The clock, by which devices send, is set back now and then. */
const clockBack = fc.record({
  do: fc.constant("clockBack" as const),
  byMs: fc.constantFrom(15 * SECOND, 10 * MINUTE),
});
const anyStep = fc.oneof({ weight: 19, arbitrary: step }, { weight: 1, arbitrary: clockBack });
const clocksSetBack = {
  time: { ...engineProfile().time, outOfOrdernessMs: 3_000, maxFutureMs: SECOND, idleTimeoutMs: 20 * SECOND },
};
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

/** Makes blocks of what the steps say, some readings of which have come before. */
class Script {
  readonly arrived: (TestReading & { readonly device: string })[] = [];
  #nowMs = Date.UTC(2026, 0, 14, 12);
  #processingMs = 0;
  #sequence = 0;

  setBack(byMs: number): void {
    this.#nowMs -= byMs;
  }

  block(profile: EngineProfile, step: Extract<Step, { readonly do: "block" | "silence" }>): Block {
    const silent = step.do === "silence";
    const tickPart = step.do === "silence" ? step.tickPart : {};
    this.#processingMs += silent ? 40 * SECOND : SECOND;
    const readings = silent ? [] : step.readings.map((each) => this.#reading(each));
    const timing = { processingMs: this.#processingMs, tick: true, ...tickPart };
    return new BlockMaker(profile, this.#sequence++).block(readings, timing);
  }

  #reading({
    device,
    behindMs,
    values,
    again,
  }: typeof reading extends fc.Arbitrary<infer T> ? T : never): TestReading {
    this.#nowMs += 2 * SECOND;
    const before = again === 0 ? this.arrived[Math.floor(this.arrived.length / 2)] : undefined;
    const made = before ?? { device, timeMs: this.#nowMs - behindMs, arrivalMs: this.#nowMs, values };
    this.arrived.push(made);
    return made;
  }
}

interface Outcome {
  readonly summaries: Summary[];
  readonly script: Script;
  readonly bounded: SpillingEngine;
}

/** Lets an engine with a bound and one without go through the same, and compares what they say. */
function compared(
  first: EngineProfile,
  second: EngineProfile,
  steps: readonly Step[],
  bytesMax: number,
  groups: readonly GroupDefinition[] = [],
): Outcome {
  const script = new Script();
  const unbounded = groupedEngine([first], groups);
  const bounded = new SpillingEngine(first, bytesMax, groups);
  const summaries: Summary[] = [];
  let profile = first;
  const same = (said: Summary[], expected: Summary[]) => {
    expect(said.sort(byDevice)).toEqual(expected.sort(byDevice));
    summaries.push(...said);
  };
  for (const each of steps) {
    expectWeighed(unbounded);
    if (each.do === "store") bounded.store();
    else if (each.do === "restart") bounded.restart();
    else if (each.do === "clockBack") script.setBack(each.byMs);
    else if (each.do === "reconfigure") {
      profile = profile === first ? second : first;
      same(bounded.reconfigure(profile, each.diesAfter), unbounded.redefine({ profiles: [profile] }));
    } else {
      const block = script.block(profile, each);
      same(bounded.apply(block), unbounded.apply(block));
      expect(bounded.engine.totals()).toEqual(unbounded.totals());
      expect(bounded.engine.groups.counts().map(withoutWaiting)).toEqual(
        unbounded.groups.counts().map(withoutWaiting),
      );
    }
  }
  expectWeighed(bounded.engine);
  const byName = (a: { readonly device: string }, b: { readonly device: string }) =>
    a.device < b.device ? -1 : 1;
  expect(bounded.engine.counts().sort(byName)).toEqual(unbounded.counts().sort(byName));
  same(bounded.engine.flush(), unbounded.flush());
  expectWeighed(unbounded);
  return { summaries, script, bounded };
}

/** What is noted of how much memory each device takes is how much it takes. */
function expectWeighed(engine: Engine): void {
  for (const device of engine.profileState("p")!.devices.values()) {
    expect([device.name, device.weight]).toEqual([device.name, weightOf(device)]);
    for (const slice of [...device.slices, ...device.retired]) {
      expect([slice.startMs, slice.extraBytes]).toEqual([slice.startMs, besideBytesOf(slice)]);
    }
  }
}

/** Which of several members is named as the one waited for goes by the order in which they were read. */
function withoutWaiting({ waitsFor: _, ...counts }: GroupCounts): Omit<GroupCounts, "waitsFor"> {
  return counts;
}

/** Silence, changes and an end are told device by device, in whatever order they are kept. */
function byDevice(a: Summary, b: Summary): number {
  return a.device === b.device ? 0 : a.device < b.device ? -1 : 1;
}

describe("what leaves memory", () => {
  it.each(Object.keys(profiles))("changes nothing of what is said: windows %s", (name) => {
    const first = profileOf(profiles[name]!, clocksSetBack);
    const second = profileOf(profiles[name]!.slice(0, -1), { hash: "hash-2", ...clocksSetBack });
    let [deviceLoads, sliceLoads] = [0, 0];
    fc.assert(
      fc.property(
        fc.array(anyStep, { maxLength: 60 }),
        fc.constantFrom(0, 4_000, 9_000),
        (steps, bytesMax) => {
          const { bounded } = compared(first, second, steps, bytesMax);
          deviceLoads += bounded.engine.residency.stats().deviceLoads;
          sliceLoads += bounded.engine.residency.stats().sliceLoads;
        },
      ),
      cases(150),
    );
    expect(deviceLoads).toBeGreaterThan(50);
    expect(sliceLoads).toBeGreaterThan(50);
  });

  it("changes nothing of what groups say, whose members leave memory within their windows", () => {
    const windows = [tumbling("10s", 10 * SECOND, plain, 20 * SECOND)];
    const first = profileOf(windows, clocksSetBack);
    const rest = { hash: "hash-2", ...clocksSetBack };
    const second = profileOf([...windows, tumbling("20s", 20 * SECOND, plain)], rest);
    const fields = { x: STATS.filter((name) => name !== "first" && name !== "last") };
    const [brief, late] = [
      {
        name: "brief",
        kind: { type: "tumbling", sizeMs: 10 * SECOND, offsetMs: 0 },
        allowedLatenessMs: 0,
        fields,
      },
      {
        name: "late",
        kind: { type: "tumbling", sizeMs: 30 * SECOND, offsetMs: 0 },
        allowedLatenessMs: MINUTE,
        fields,
      },
    ] as const;
    const groups: GroupDefinition[] = [
      { name: "some", members: { devices: ["a", "b"] }, windows: [brief] },
      { name: "all", members: {}, windows: [late] },
    ];
    let [members, deviceLoads, sliceLoads] = [0, 0, 0];
    fc.assert(
      fc.property(
        fc.array(anyStep, { maxLength: 60 }),
        fc.constantFrom(0, 4_000, 9_000),
        fc.constantFrom(groups, groups.slice(0, 1)),
        (steps, bytesMax, of) => {
          const { summaries, bounded } = compared(first, second, steps, bytesMax, of);
          members += summaries.filter((summary) => summary.members !== undefined).length;
          deviceLoads += bounded.engine.residency.stats().deviceLoads;
          sliceLoads += bounded.engine.residency.stats().sliceLoads;
        },
      ),
      cases(300),
    );
    expect(members).toBeGreaterThan(50);
    expect(deviceLoads).toBeGreaterThan(50);
    expect(sliceLoads).toBeGreaterThan(50);
  });

  it("counts no part of a member twice that is not in memory when another one's clock is set back", () => {
    const profile = profileOf([], clocksSetBack);
    const windows = [
      {
        name: "10s",
        kind: { type: "tumbling", sizeMs: 10 * SECOND, offsetMs: 0 },
        allowedLatenessMs: 0,
        fields: { x: ["count"] },
      },
    ] as const;
    const bounded = new SpillingEngine(profile, 0, [{ name: "all", members: {}, windows }]);
    const blocks = new BlockMaker(profile);
    const said = (device: string, second: number, processingMs: number) => {
      const timeMs = Date.UTC(2026, 0, 14, 12) + second * SECOND;
      return bounded.apply(
        blocks.block([{ device, timeMs, arrivalMs: timeMs, values: [1, "on"] }], {
          processingMs,
          tick: false,
        }),
      );
    };
    said("a", 1, 0);
    said("b", 1, 0);
    bounded.store();
    expect(bounded.engine.residency.stats().devicesSpilled).toBe(2);
    // The other one is silent by now, and has not been looked at.
    expect(said("a", 100, 40 * SECOND)).toMatchObject([{ final: true, members: { count: 2 } }]);
    bounded.store();
    said("a", 2, 41 * SECOND);
    const rest = bounded.engine.flush().filter(({ window }) => window.start === "2026-01-14T12:00:00Z");
    expect(rest).toMatchObject([{ fields: { x: { count: 1 } }, members: { count: 1 } }]);
  });

  it("gives the oracle's bytes for late readings and duplicates of what is not in memory", () => {
    const profile = profileOf(bounded, {
      time: {
        ...engineProfile().time,
        outOfOrdernessMs: 4 * MINUTE,
        idleTimeoutMs: Number.POSITIVE_INFINITY,
      },
    });
    const steps = fc.array(
      step.filter((each) => each.do !== "reconfigure" && each.do !== "silence"),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const { summaries, script } = compared(profile, profile, all, 0);
        expect(finalBodies(summaries)).toEqual(oracle(profile, script.arrived));
      }),
      cases(150),
    );
  });

  it.each(["d", "s"])(
    "ends the process where a record that is needed again is missing, older or another's: %s",
    (space) => {
      const profile = profileOf(bounded);
      const blocks = new BlockMaker(profile);
      const block = (device: string) =>
        blocks.block([{ device, timeMs: Date.UTC(2026, 0, 14, 12), values: [1, "on"] }]);
      const damages: ((engine: SpillingEngine, key: string, before: Uint8Array) => void)[] = [
        ({ records }, key) => records.delete(key),
        ({ records }, key, before) => records.set(key, before),
        ({ records }, key) =>
          records.set(key, [...records].find(([other]) => other[0] === space && other !== key)![1]),
      ];
      for (const damage of damages) {
        const engine = new SpillingEngine(profile, 0);
        const keyOf = () =>
          [...engine.records.keys()].find((key) => key[0] === space && key.includes("\0a"))!;
        for (const device of ["a", "b"]) engine.apply(block(device));
        engine.store();
        const before = engine.records.get(keyOf())!;
        engine.apply(block("a"));
        engine.store();
        damage(engine, keyOf(), before);
        engine.apply(block("b"));
        expect(() => engine.apply(block("a"))).toThrow(CorruptRecord);
      }
    },
  );
});

it("lists all other devices in a status where the stored record of one is damaged", () => {
  const profile = profileOf(bounded);
  const engine = new SpillingEngine(profile, 0);
  const block = new BlockMaker(profile).block(
    ["a", "b", "c"].map((device) => ({ device, timeMs: 0, values: [1, "on"] })),
  );
  engine.apply(block);
  engine.store();
  const key = [...engine.records.keys()].find((each) => each[0] === "d" && each.includes("\0b"))!;
  engine.records.get(key)![9]! ^= 1;
  expect(engine.engine.counts().map(({ device }) => device)).toEqual(["a", "c"]);
});

it("reads no more devices for a status than it may, however many profiles there are", () => {
  const profiles = ["p", "q"].map((id) => profileOf(bounded, { id, hash: id }));
  const engine = new SpillingEngine(profiles[0]!, 0);
  engine.engine.addProfile(profiles[1]!);
  const devices = ["a", "b", "c"];
  const readings = profiles.flatMap(({ hash }) =>
    devices.map((device) => ({ profile: hash, device, timeMs: 0, values: [1, "on"] })),
  );
  engine.apply(new BlockMaker(profiles[0]!).block(readings));
  engine.store();
  expect(engine.engine.residency.stats().devicesSpilled).toBe(6);
  expect(engine.engine.counts(0)).toEqual([]);
  expect(engine.engine.counts(4)).toHaveLength(4);
  expect(engine.engine.counts()).toHaveLength(6);
});
