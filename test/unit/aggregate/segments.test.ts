import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AccumulatedField } from "../../../src/aggregate/aggregate.js";
import { findAggregate } from "../../../src/aggregate/catalog.js";
import { isOrdered, newCells } from "../../../src/aggregate/cells.js";
import { mergeSummaries } from "../../../src/aggregate/merge.js";
import { timeTotalUnit } from "../../../src/aggregate/time-units.js";
import { Engine } from "../../../src/engine/engine.js";
import { ByteReader, ByteWriter } from "../../../src/model/bytes.js";
import { type MergeMember, readPartials, writePartials } from "../../../src/model/partials.js";
import type { EngineProfile } from "../../../src/model/profile.js";
import { canonicalJson, fieldsWithState, type Summary } from "../../../src/model/summary.js";
import { cases } from "../../helpers/cases.js";
import { BlockMaker, engineProfile, field, tumbling } from "../../helpers/engine.js";

const MINUTE = 60_000;
const NUMERIC = [
  ...["timeAverage", "timeAverage(linear)", "timeAverage(stepped)", "total", "durationGood"],
  ...["delta", "rate", "increase", "transitions"],
];

const FIELD: AccumulatedField = {
  type: "float",
  maxGapMs: 40_000,
  counter: { rollover: 100 },
  resolution: undefined,
  periodMs: undefined,
  other: () => ({ place: 0, meaning: "" }),
};

const point = fc.record({
  timeMs: fc.integer({ min: -200, max: 200 }).map((n) => n * 1_000),
  x: fc.oneof(
    fc.integer({ min: 0, max: 1_000 }).map((n) => n / 10),
    fc.double({ min: 0, max: 1e9, noNaN: true }).map((x) => (x < 1e-100 ? 0 : x)),
  ),
});

describe("a segment of a field's history", () => {
  it("has the same state however it was cut, and in whatever tree it was merged", () => {
    const history = fc
      .uniqueArray(point, { minLength: 1, maxLength: 40, selector: ({ timeMs }) => timeMs })
      .map((points) => points.sort((a, b) => a.timeMs - b.timeMs));
    const aggregates = [...NUMERIC, "durationIn(5)"].map((name) => findAggregate(name)!);
    const accumulators = aggregates.flatMap((each) =>
      each.needs({ ...FIELD, type: "int" }).filter(isOrdered),
    );
    fc.assert(
      fc.property(
        history,
        fc.infiniteStream(fc.integer({ min: 1, max: 6 })),
        fc.infiniteStream(fc.nat()),
        fc.infiniteStream(fc.boolean()),
        (points, sizes, places, saves) => {
          for (const accumulator of accumulators) {
            const of = (some: typeof points) => {
              const cells = newCells(accumulator.cells);
              for (const { timeMs, x } of some) accumulator.add(cells, 0, { timeMs, values: [x] }, 0);
              return cells;
            };
            const segments = [];
            for (let at = 0; at < points.length; ) {
              const size = sizes.next().value as number;
              segments.push(of(points.slice(at, at + size)));
              at += size;
            }
            while (segments.length > 1) {
              const i = (places.next().value as number) % (segments.length - 1);
              const [into, next] = [segments[i]!, segments.splice(i + 1, 1)[0]!];
              if (saves.next().value === true) accumulator.mergeSaved(into, 0, accumulator.save(next, 0));
              else accumulator.merge(into, 0, next);
            }
            expect(accumulator.save(segments[0]!, 0)).toEqual(accumulator.save(of(points), 0));
          }
        },
      ),
      cases(),
    );
  });

  it("gives, of many small windows, what one over all of them would have said, byte for byte", () => {
    const reading = fc.record({
      timeMs: fc.integer({ min: -20, max: 60 }).map((n) => n * 15_000),
      values: fc.tuple(
        fc.oneof({ weight: 5, arbitrary: point.map(({ x }) => x) }, fc.constant(Number.NaN)),
        fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 99 }) }, fc.constant(Number.NaN)),
        fc.constantFrom<string | number>("on", "off", Number.NaN),
      ),
    });
    const readings = fc
      .uniqueArray(reading, { minLength: 1, maxLength: 40, selector: ({ timeMs }) => timeMs })
      .map((all) => all.sort((a, b) => a.timeMs - b.timeMs));
    fc.assert(
      fc.property(readings, fc.infiniteStream(fc.nat()), (all, places) => {
        const window = { sizeMs: 15 * MINUTE, startMs: 0, endMs: 15 * MINUTE };
        const isInside = ({ window: { start } }: Summary) =>
          Date.parse(start!) >= 0 && Date.parse(start!) < window.endMs;
        const members = fired(profileOf("1m", MINUTE), all).filter(isInside).map(memberOf);
        const [whole] = fired(profileOf("15m", 15 * MINUTE), all).filter(isInside);
        fc.pre(members.length > 0);
        while (members.length > 1) {
          const i = (places.next().value as number) % (members.length - 1);
          members.splice(i, 2, mergeSummaries(members.slice(i, i + 2), window));
        }
        const merged = JSON.parse(mergeSummaries(members, window).json) as Summary;
        expect(JSON.stringify(merged.fields)).toBe(JSON.stringify(whole!.fields));
      }),
      cases(),
    );
  });

  it("counts no time twice where the first part of a coarser window was said before", () => {
    const window = { sizeMs: 15 * MINUTE, startMs: 0, endMs: 15 * MINUTE };
    const all = [0, 1, 2, 3].map((n) => ({ timeMs: n * MINUTE + 30_000, values: [60, n, "on"] }));
    const [, , ...rest] = fired(profileOf("1m", MINUTE), all).map(memberOf);
    const { fields } = JSON.parse(mergeSummaries(rest, window).json) as Summary;
    expect(fields.x).toMatchObject({ durationGood: 13 * 60, total: 13 });
    expect(fields.mode).toMatchObject({ "durationIn(on)": 13 * 60, durationGood: 13 * 60 });
  });

  it("begins with the value before it where that was said between the first two of the merged windows", () => {
    const window = { sizeMs: 15 * MINUTE, startMs: 0, endMs: 15 * MINUTE };
    const at = (minute: number, x: number) => ({ timeMs: minute * MINUTE, values: [x, minute, "on"] });
    const all = [at(-1, 9), at(0.5, Number.NaN), at(5.5, 0), at(6.5, 60)];
    const [, first, , last] = fired(profileOf("1m", MINUTE), all).map(memberOf);
    const { fields } = JSON.parse(mergeSummaries([first!, last!], window).json) as Summary;
    expect(fields.x).toMatchObject({
      durationGood: 9.5 * 60,
      delta: 60,
      timeAverage: (0.5 * 60 + 8.5 * 60) / 9.5,
    });
  });

  it("is not merged with one that was reckoned otherwise", () => {
    const window = { sizeMs: 15 * MINUTE, startMs: 0, endMs: 15 * MINUTE };
    const profile = profileOf("1m", MINUTE);
    const [x, n, mode] = profile.fields;
    const [one] = fired(profile, [{ timeMs: 0, values: [1, 1, "on"] }]).map(memberOf);
    for (const fields of [
      [{ ...x!, maxGapMs: 1_000 }, n!, mode!],
      [x!, { ...n!, counter: { rollover: 10 } }, mode!],
      [x!, n!, { ...mode!, maxGapMs: 1_000 }],
    ]) {
      const [two] = fired({ ...profile, fields }, [{ timeMs: MINUTE, values: [1, 1, "on"] }]).map(memberOf);
      expect(() => mergeSummaries([one!, two!], window)).toThrow(
        expect.objectContaining({ code: "unmergeable" }),
      );
    }
  });
});

describe("the unit of a time integral", () => {
  it.each([
    ["W", "Wh"],
    ["kVA", "kVAh"],
    ["mA", "mAh"],
    ["l/h", "l"],
    ["l/min", "l/min·h"],
    ["Cel", "Cel·h"],
    [undefined, "h"],
  ])("of %s is %s", (unit, total) => {
    expect(timeTotalUnit(unit)).toBe(total);
  });
});

function profileOf(name: string, sizeMs: number): EngineProfile {
  const aggregates = [
    { field: 0, names: NUMERIC.filter((each) => each !== "increase") },
    { field: 1, names: NUMERIC },
    { field: 2, names: ["durationIn(on)", "transitions", "durationGood"] },
  ];
  return engineProfile({
    fields: [
      field("x", { unit: "W" }),
      field("n", { type: "int", counter: { rollover: 100 }, maxGapMs: 100_000 }),
      field("mode", { type: "string" }),
    ],
    windows: [tumbling(name, sizeMs, aggregates)],
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
  return [...readings.flatMap((reading) => engine.apply(blocks.block([reading]))), ...engine.flush()];
}

/** Through the form in which it is stored. */
function memberOf(summary: Summary): MergeMember {
  const { startMs, partials } = summary.mergeable!;
  const writer = new ByteWriter();
  writePartials(writer, partials, startMs);
  const reader = ByteReader.open(writer.seal(1, "k"), 1, "k");
  const stored = readPartials(reader, fieldsWithState(summary), startMs);
  expect(stored).toEqual(partials);
  return { json: canonicalJson(summary), partials: stored, firstMs: startMs, windows: 1 };
}
