import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EngineProfile } from "../../../src/model/profile.js";
import type { Summary } from "../../../src/model/summary.js";
import type { WindowDefinition } from "../../../src/model/window.js";
import { cases } from "../../helpers/cases.js";
import { engineProfile, field, hopping, type TestReading, tumbling } from "../../helpers/engine.js";
import { bodiesOf, linesOf, type Merged, merge, withPartials } from "../../helpers/merging.js";
import { type OracleReading, oracle } from "../../oracle/oracle.js";
import { orderedFieldsOf } from "../../oracle/ordered.js";

/**
 * `weir merge` against what the definitions of the aggregates say of all readings at once: split over gateways, into
 * short windows, and merged in whatever order and steps.
 */
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NUMERIC = [
  "count", "mean", "min", "max", "minTime", "maxTime", "variance", "first", "last", "p50", "p99.9", "histogram",
  "distinct", "slope", "covariance(level)", "percentGood",
]; // biome-ignore format: a table
const TEXT = ["count", "first", "last", "distinct", "mode", "counts"];
const AGGREGATES = [
  { field: 0, names: NUMERIC },
  { field: 1, names: TEXT },
  { field: 2, names: TEXT },
  { field: 3, names: ["mean", "p1", "histogram", "mode"] },
];

function profileOf(windows: readonly WindowDefinition[]): EngineProfile {
  return engineProfile({
    fields: [
      field("x", { unit: "Cel" }),
      field("note", { type: "string" }),
      field("state", { type: "enum", values: ["off", "on"] }),
      field("level", { type: "int", resolution: 1, unit: "cm" }),
    ],
    windows,
  });
}

/** Late readings change every window, so that each has many revisions. */
const LATE = 24 * HOUR;
const minutes = tumbling("1m", MINUTE, AGGREGATES, LATE);
const FINE = withPartials(profileOf([minutes, hopping("5m", [5 * MINUTE, 2 * MINUTE], AGGREGATES, LATE)]));
const MINUTES = withPartials(profileOf([minutes]));

const missing = fc.constant(Number.NaN);
const number = fc.oneof(
  fc.integer({ min: -9_999, max: 9_999 }).map((n) => n / 10),
  fc.double({ min: -1e12, max: 1e12, noNaN: true }).map((x) => (Math.abs(x) < 1e-100 ? 0 : x)),
);
const readings = fc.uniqueArray(
  fc.record({
    gateway: fc.integer({ min: 0, max: 3 }),
    device: fc.constantFrom("a", "b/ü"),
    timeMs: fc.integer({ min: 0, max: 2_000 }).map((n) => n * 3_000),
    values: fc.tuple(
      number,
      fc.oneof(fc.constantFrom("a", "naïve"), missing),
      fc.constantFrom(0, 1, Number.NaN),
      fc.oneof(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -1e9, max: 1e9 }), missing),
    ),
  }),
  { minLength: 1, maxLength: 40, selector: ({ timeMs, values }) => `${timeMs} ${values[0]}` },
);
type Given = TestReading & { readonly device: string; readonly gateway: number };

/** A file for each gateway, its lines in any order. */
function filesOf(profile: EngineProfile, all: readonly Given[], shuffle: fc.Stream<number>): string[][] {
  const gateways = [...new Set(all.map(({ gateway }) => gateway))];
  return gateways.map((gateway) => {
    const lines = linesOf(
      profile,
      `gw-${gateway}`,
      all.filter((each) => each.gateway === gateway),
    );
    return shuffled(lines, shuffle);
  });
}

function shuffled<T>(items: readonly T[], stream: fc.Stream<number>): T[] {
  const keyed = items.map((item) => ({ item, key: stream.next().value as number }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

/** Merges in a tree, some of it at each step; then all that is left. */
async function inSteps(
  files: readonly (readonly string[])[],
  args: readonly string[],
  stream: fc.Stream<number>,
): Promise<Merged> {
  let left = shuffled(files, stream);
  for (let step = 0; left.length > 2; step++) {
    const some = left.splice(0, 2);
    const merged = await merge(some, [...args, "--gateway", `step-${step}`]);
    expect(merged).toMatchObject({ code: 0 });
    left = shuffled([...left, merged.lines], stream);
  }
  return merge(left, [...args, "--gateway", "all"]);
}

/** The state of each window as it is written, byte for byte: of its final summary. */
function statesIn(lines: readonly string[]): string[] {
  return lines
    .map((line) => JSON.parse(line) as Summary)
    .filter(({ final }) => final)
    .map(({ device, window, partials }) =>
      JSON.stringify([device, window.name, window.start, partials!.definition, partials!.fields]),
    )
    .sort();
}

const randoms = fc.infiniteStream(fc.nat());

function expectOracle(merged: Merged, profile: EngineProfile, all: readonly OracleReading[]): void {
  expect(merged.stderr).not.toContain("weir:");
  expect([...bodiesOf(merged)].sort()).toEqual([...oracle(profile, all)].sort());
}

describe("weir merge, beside all readings at once", () => {
  it("says the same of the windows of several gateways, in whatever steps", async () => {
    await fc.assert(
      fc.asyncProperty(readings, randoms, async (all, stream) => {
        const files = filesOf(FINE, all, stream);
        const atOnce = await merge(files, ["--gateway", "all"]);
        expectOracle(atOnce, FINE, all);
        expect(statesIn(atOnce.lines)).toEqual(statesIn(linesOf(FINE, "all", all)));
        expect((await inSteps(files, [], stream)).stdout).toBe(atOnce.stdout);
      }),
      cases(100),
    );
  });

  it("says the same of longer windows, from short ones or from those that were merged before", async () => {
    const quarters = profileOf([tumbling("15m", 15 * MINUTE, AGGREGATES)]);
    const hours = profileOf([tumbling("1h", HOUR, AGGREGATES)]);
    await fc.assert(
      fc.asyncProperty(readings, randoms, async (all, stream) => {
        const files = filesOf(MINUTES, all, stream);
        const inQuarters = await inSteps(files, ["--window", "15m"], stream);
        expectOracle(inQuarters, quarters, all);
        const inHours = await merge([inQuarters.lines], ["--window", "1h"]);
        expectOracle(inHours, hours, all);
        const direct = await merge(files, ["--window", "1h", "--gateway", "all"]);
        expect(direct.stdout).toBe(inHours.stdout);
      }),
      cases(100),
    );
  });

  it("says the same of all devices of a profile as if they were one", async () => {
    const quarters = profileOf([tumbling("15m", 15 * MINUTE, AGGREGATES)]);
    await fc.assert(
      fc.asyncProperty(readings, randoms, async (all, stream) => {
        const files = filesOf(MINUTES, all, stream);
        const merged = await inSteps(files, ["--by", "profile", "--window", "15m"], stream);
        expectOracle(
          merged,
          quarters,
          all.map((each) => ({ ...each, device: "*" })),
        );
      }),
      cases(100),
    );
  });
});

const TIMED = ["timeAverage", "timeAverage(linear)", "timeAverage(stepped)", "total", "durationGood"];
const ORDERED = [
  { field: 0, names: ["count", ...TIMED, "delta", "rate", "transitions"] },
  { field: 1, names: ["increase", "rate", "timeAverage"] },
  { field: 2, names: ["durationIn(on)", "transitions"] },
];

function orderedProfile(windows: readonly WindowDefinition[]): EngineProfile {
  return engineProfile({
    fields: [
      field("x", { unit: "W", maxGapMs: 7 * MINUTE }),
      field("n", { type: "int", unit: "Wh", counter: { rollover: 1_000 } }),
      field("mode", { type: "string", maxGapMs: 3 * MINUTE }),
    ],
    windows,
  });
}

const ORDERED_MINUTES = withPartials(orderedProfile([tumbling("1m", MINUTE, ORDERED)]));
const ORDERED_BOTH = withPartials(
  orderedProfile([tumbling("1m", MINUTE, ORDERED), hopping("5m", [5 * MINUTE, 2 * MINUTE, 30_000], ORDERED)]),
);

/** A device that roams: each of its readings comes through the gateway that was the last to hear it, mostly. */
const roaming = fc
  .uniqueArray(
    fc.record({
      device: fc.constant("a"),
      timeMs: fc.integer({ min: 0, max: 480 }).map((n) => n * 7_500),
      roams: fc.constantFrom(0, 0, 0, 1, 2),
      values: fc.tuple(
        fc.oneof({ weight: 5, arbitrary: number }, missing),
        fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 1_000 }) }, missing),
        fc.constantFrom<string | number>("on", "off", Number.NaN),
      ),
    }),
    { minLength: 1, maxLength: 40, selector: ({ timeMs }) => timeMs },
  )
  .map((all) => {
    let gateway = 0;
    return all
      .sort((a, b) => a.timeMs - b.timeMs)
      .filter(({ values }) => values.some((value) => !Number.isNaN(value)))
      .map((reading): Given => {
        gateway = (gateway + reading.roams) % 3;
        return { ...reading, gateway };
      });
  });

interface Members {
  readonly window: WindowDefinition;
  readonly bounds: { readonly startMs: number; readonly endMs: number };
  readonly members: readonly Given[];
}

function* windowsOf(profile: EngineProfile, all: readonly Given[]): Generator<Members> {
  for (const window of profile.windows) {
    const { kind } = window;
    if (kind.type !== "tumbling" && kind.type !== "hopping") continue;
    const stepMs = kind.type === "tumbling" ? kind.sizeMs : kind.slideMs;
    for (let startMs = kind.offsetMs - 10 * stepMs; startMs <= HOUR; startMs += stepMs) {
      const bounds = { startMs, endMs: startMs + kind.sizeMs };
      const members = all.filter(({ timeMs }) => timeMs >= startMs && timeMs < bounds.endMs);
      if (members.length > 0) yield { window, bounds, members };
    }
  }
}

function orderedOracle(profile: EngineProfile, all: readonly Given[]): Map<string, string> {
  const windows = [...windowsOf(profile, all)].map(({ window, bounds, members }) => {
    const key = `a/${window.name}/${bounds.startMs}`;
    const earlier = all.filter(({ timeMs }) => timeMs < bounds.startMs);
    return [key, orderedFieldsOf(profile, window, { earlier, members, bounds })] as const;
  });
  return new Map(windows);
}

/** Whether in some window the values of a field came through a gateway, then another one, then the first again. */
function takeTurns(profile: EngineProfile, all: readonly Given[]): boolean {
  return [...windowsOf(profile, all)].some(({ members }) =>
    profile.fields.some((_, i) => {
      const gateways = members
        .filter(({ values }) => !Number.isNaN(values[i]))
        .map(({ gateway }) => gateway)
        .filter((gateway, at, those) => gateway !== those[at - 1]);
      return new Set(gateways).size < gateways.length;
    }),
  );
}

describe("weir merge of aggregates of an order, beside all readings at once", () => {
  it("says the same where a device roams from gateway to gateway", async () => {
    await fc.assert(
      fc.asyncProperty(roaming, randoms, async (all, stream) => {
        fc.pre(all.length > 0);
        const files = filesOf(ORDERED_BOTH, all, stream);
        const merged = await merge(files);
        expect(merged.code, merged.stderr).toBe(takeTurns(ORDERED_BOTH, all) ? 1 : 0);
        fc.pre(merged.code === 0);
        expect([...bodiesOf(merged)].sort()).toEqual([...orderedOracle(ORDERED_BOTH, all)].sort());
        expect(statesIn(merged.lines)).toEqual(statesIn(linesOf(ORDERED_BOTH, "all", all)));
      }),
      cases(100),
    );
  });

  it("says the same of longer windows, at once or in steps", async () => {
    const quarters = orderedProfile([tumbling("15m", 15 * MINUTE, ORDERED)]);
    await fc.assert(
      fc.asyncProperty(roaming, randoms, async (all, stream) => {
        fc.pre(all.length > 0);
        const files = filesOf(ORDERED_MINUTES, all, stream);
        const atOnce = await merge(files, ["--window", "15m"]);
        expect(atOnce.code, atOnce.stderr).toBe(takeTurns(ORDERED_MINUTES, all) ? 1 : 0);
        fc.pre(atOnce.code === 0);
        expect([...bodiesOf(atOnce)].sort()).toEqual([...orderedOracle(quarters, all)].sort());
        const same = await merge(files);
        const inSteps = await merge([same.lines], ["--window", "15m"]);
        expect(inSteps.stdout).toBe(atOnce.stdout);
      }),
      cases(100),
    );
  });
});
