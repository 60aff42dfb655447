import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mergeSummaries } from "../../../src/aggregate/merge.js";
import { Engine } from "../../../src/engine/engine.js";
import { ByteReader, ByteWriter } from "../../../src/model/bytes.js";
import { type MergeMember, readPartials, writePartials } from "../../../src/model/partials.js";
import type { EngineProfile } from "../../../src/model/profile.js";
import { canonicalJson, fieldsWithState, type Summary } from "../../../src/model/summary.js";
import { cases } from "../../helpers/cases.js";
import { BlockMaker, engineProfile, field, tumbling } from "../../helpers/engine.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NUMERIC = [
  "count", "sum", "mean", "min", "max", "minTime", "maxTime", "range",
  "variance", "variancePopulation", "stddev", "stddevPopulation",
  "first", "last", "firstTime", "lastTime", "p1", "p50", "p99.9", "histogram", "distinct", "slope",
  "covariance(level)", "covariancePopulation(level)", "correlation(level)", "percentGood", "completeness",
]; // biome-ignore format: a table
const TEXT = ["count", "first", "last", "firstTime", "lastTime", "distinct", "mode", "counts"];

const LEVEL = field("level", { type: "int", resolution: 1, plausible: [-200, 200] });

const GEAR = field("gear", { type: "enum", values: ["low", "high"] });

function profileOf(name: string, sizeMs: number, rest: Partial<EngineProfile> = {}): EngineProfile {
  const aggregates = [
    { field: 0, names: NUMERIC },
    { field: 1, names: TEXT },
    { field: 2, names: TEXT },
    { field: 3, names: [...NUMERIC, "mode", "counts", "covariance(x)"] },
    { field: 4, names: ["mode", "counts"] },
  ];
  return engineProfile({
    fields: [
      field("x", { unit: "Cel", range: [-1e12, 1e12] }),
      field("note", { type: "string" }),
      field("state", { type: "enum", values: ["off", "on"] }),
      LEVEL,
      GEAR,
    ],
    clean: [{ fields: [3], outside: "plausible", action: "clamp" }],
    time: { ...engineProfile().time, periodMs: 7_000 },
    windows: [tumbling(name, sizeMs, aggregates)],
    ...rest,
  });
}

interface Given {
  readonly timeMs: number;
  readonly values: readonly (number | string)[];
}

function fired(profile: EngineProfile, readings: readonly Given[]): Summary[] {
  const engine = new Engine({ gateway: "gw", devicesMax: 10, mergeable: true });
  engine.addProfile(profile);
  const blocks = new BlockMaker(profile);
  const summaries = [...readings]
    .sort((a, b) => a.timeMs - b.timeMs)
    .flatMap((reading) => engine.apply(blocks.block([reading])));
  return [...summaries, ...engine.flush()];
}

/** Through the form in which it is stored. */
function memberOf(summary: Summary): MergeMember {
  const { startMs, partials } = summary.mergeable!;
  const writer = new ByteWriter();
  writePartials(writer, partials, startMs);
  const reader = ByteReader.open(writer.seal(1, "k"), 1, "k");
  const stored = readPartials(reader, fieldsWithState(summary), startMs);
  expect(reader.done).toBe(true);
  expect(stored).toEqual(partials);
  return { json: canonicalJson(summary), partials: stored, firstMs: startMs, windows: 1 };
}

/** Huge beside tiny, so that exact sums need many components. */
const number = fc.oneof(
  fc.integer({ min: -9_999, max: 9_999 }).map((n) => n / 10),
  fc.double({ min: -1e12, max: 1e12, noNaN: true }).map((x) => (Math.abs(x) < 1e-100 ? 0 : x)),
  fc.tuple(fc.integer({ min: -60, max: 10 }), fc.integer({ min: 1, max: 9 })).map(([e, m]) => m * 10 ** e),
  fc.constant(Number.NaN),
);
const reading = fc.record({
  timeMs: fc.integer({ min: 0, max: HOUR - 1 }),
  values: fc.tuple(
    number,
    fc.oneof(fc.constantFrom("a", "b", "naïve"), fc.constant(Number.NaN)),
    fc.oneof(fc.constantFrom(0, 1), fc.constant(Number.NaN)),
    fc.oneof(
      fc.integer({ min: -9, max: 9 }),
      fc.integer({ min: -300, max: 300 }),
      fc.integer({ min: -1e12, max: 1e12 }),
      fc.constant(Number.NaN),
    ),
    fc.oneof(fc.constantFrom(0, 1), fc.constant(Number.NaN)),
  ),
});

describe("merging summaries", () => {
  it("says what one window over all the readings would have said, byte for byte, in whatever steps", () => {
    fc.assert(
      fc.property(
        fc.array(reading, { minLength: 1, maxLength: 60 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 5 })),
        (readings, sizes) => {
          const fine = fired(profileOf("1m", MINUTE), readings);
          const [whole, ...others] = fired(profileOf("1h", HOUR), readings);
          expect(others).toEqual([]);
          const window = { sizeMs: HOUR, startMs: 0, endMs: HOUR };
          let members = fine.map(memberOf);
          do {
            const taken = members.splice(0, 1 + (sizes.next().value as number));
            members = [...members, mergeSummaries(taken, window)];
          } while (members.length > 1);
          const merged = JSON.parse(members[0]!.json) as Summary;
          expect(JSON.stringify(merged.fields)).toBe(JSON.stringify(whole!.fields));
          expect(merged.quality).toEqual(whole!.quality);
          expect(merged.window.coarsened).toEqual({ from: "1m", windows: fine.length });
        },
      ),
      cases(),
    );
  });

  it("takes nothing from what was filled", () => {
    const window = { sizeMs: HOUR, startMs: 0, endMs: HOUR };
    const profile = profileOf("1m", MINUTE);
    const filling = { ...profile, windows: [{ ...profile.windows[0]!, fill: 5 }] };
    const given = [0, 3].map((minute) => ({ timeMs: minute * MINUTE, values: [minute, "a", 1, minute, 0] }));
    const fine = fired(filling, given);
    expect(fine.map(({ filled = [] }) => filled.length)).toEqual([0, 5, 5, 0]);
    const merged = JSON.parse(mergeSummaries(fine.map(memberOf), window).json) as Summary;
    const [whole] = fired(profileOf("1h", HOUR), given);
    expect(merged.fields).toEqual(whole!.fields);
    expect(merged.window.coarsened).toEqual({ from: "1m", windows: 4 });
  });

  it("refuses what does not mean the same", () => {
    const window = { sizeMs: HOUR, startMs: 0, endMs: HOUR };
    const [one] = fired(profileOf("1m", MINUTE), [{ timeMs: 0, values: [1, "a", 1, 1, 1] }]).map(memberOf);
    const others: Partial<EngineProfile>[] = [
      { fields: [field("x", { unit: "K" }), field("note", { type: "string" }), field("state"), LEVEL, GEAR] },
      { fields: [field("y"), field("x", { unit: "Cel" }), field("state"), LEVEL, GEAR] },
      { fields: [...profileOf("1m", MINUTE).fields.slice(0, 3), { ...LEVEL, resolution: 2 }, GEAR] },
      { fields: [...profileOf("1m", MINUTE).fields.slice(0, 3), { ...LEVEL, resolution: undefined }, GEAR] },
      { time: { ...engineProfile().time, periodMs: 8_000 } },
    ];
    for (const other of others) {
      const [two] = fired(profileOf("1m", MINUTE, other), [{ timeMs: MINUTE, values: [1, 2, 1, 1, 1] }]);
      expect(() => mergeSummaries([one!, memberOf(two!)], window)).toThrow(
        expect.objectContaining({ code: "unmergeable" }),
      );
    }
    const elsewhere = { ...one!, json: one!.json.replace('"device":"d"', '"device":"e"') };
    expect(() => mergeSummaries([one!, elsewhere], window)).toThrow(
      expect.objectContaining({ code: "unmergeable" }),
    );
  });
});
