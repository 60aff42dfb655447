import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Accumulator, type Cells, newCells } from "../../../src/aggregate/cells.js";
import { periodAccumulator } from "../../../src/aggregate/completeness.js";
import { countAccumulator } from "../../../src/aggregate/count.js";
import { distinctAccumulator } from "../../../src/aggregate/distinct.js";
import { endsAccumulator } from "../../../src/aggregate/ends.js";
import { squaresAccumulator, sumAccumulator } from "../../../src/aggregate/exact-sum.js";
import { extentAccumulator } from "../../../src/aggregate/extent.js";
import { histogramAccumulator } from "../../../src/aggregate/histogram.js";
import { pairSquaresAccumulator, pairsAccumulator } from "../../../src/aggregate/pairs.js";
import { tallyAccumulator } from "../../../src/aggregate/tally.js";
import { trendAccumulator } from "../../../src/aggregate/trend.js";
import { readCells, writeCells } from "../../../src/engine/cells-codec.js";
import { ByteReader, ByteWriter } from "../../../src/model/bytes.js";
import { readPartials, writePartials } from "../../../src/model/partials.js";
import { cases } from "../../helpers/cases.js";

const OTHER = { place: 1, meaning: "" };
const ACCUMULATORS: readonly Accumulator[] = [
  countAccumulator,
  sumAccumulator,
  squaresAccumulator,
  extentAccumulator,
  endsAccumulator,
  histogramAccumulator(undefined),
  histogramAccumulator(0.05),
  distinctAccumulator,
  tallyAccumulator,
  trendAccumulator,
  pairsAccumulator("y", OTHER),
  pairSquaresAccumulator("y", OTHER),
  periodAccumulator(10_000),
];

interface Given {
  readonly timeMs: number;
  readonly values: readonly number[];
}

const tame = fc.integer({ min: -2_000, max: 2_000 }).map((n) => n / 20);
const wild = fc
  .tuple(fc.double({ min: -2, max: 2, noNaN: true }), fc.integer({ min: -120, max: 120 }))
  .map(([m, e]) => (Math.abs(m) < 1e-3 ? 0 : m * 2 ** e));
const number = fc.oneof({ weight: 4, arbitrary: tame }, { weight: 1, arbitrary: wild });
const given = fc.record({
  timeMs: fc.integer({ min: -1_000_000, max: 2_000_000_000_000 }),
  values: fc.tuple(number, fc.oneof(number, fc.constant(Number.NaN))),
});
/** Now and then more different values than are counted one by one. */
const many = fc
  .tuple(fc.array(given, { minLength: 1, maxLength: 40 }), fc.integer({ min: 0, max: 600 }), fc.nat(3))
  .map(([some, more, kind]) => [
    ...some,
    ...Array.from({ length: kind === 0 ? more : 0 }, (_, i) => ({ timeMs: i, values: [i * i, i] })),
  ]);

function gather(accumulator: Accumulator, all: readonly Given[]): Cells {
  // Not at the beginning, as among other accumulators.
  const cells = newCells(AT + accumulator.cells);
  for (const reading of all) accumulator.add(cells, AT, reading, 0);
  return cells;
}

const AT = 3;

/** The same in one go, from between other numbers, where it can do that. */
function gatherMany(accumulator: Accumulator, all: readonly Given[]): Cells {
  if (accumulator.addAll === undefined) return gather(accumulator, all);
  const [first, stride] = [2, 3];
  const numbers = new Float64Array(first + all.length * stride).fill(1e9);
  for (const [i, { values }] of all.entries()) numbers[first + i * stride] = values[0]!;
  const cells = newCells(AT + accumulator.cells);
  accumulator.addAll(cells, AT, { numbers, first, stride, count: all.length });
  return cells;
}

/** Through the form of slices. */
function stored(accumulator: Accumulator, cells: Cells): Cells {
  const writer = new ByteWriter();
  writeCells(writer, cells, AT + accumulator.cells);
  return readCells(ByteReader.open(writer.seal(1, "k"), 1, "k"), AT + accumulator.cells);
}

/** Through the form of summaries. */
function mergeSaved(accumulator: Accumulator, into: Cells, from: Cells): void {
  const writer = new ByteWriter();
  const state = { [accumulator.name]: accumulator.save(from, AT) };
  writePartials(writer, { x: { index: 0, values: undefined, state } }, 1_000);
  const read = readPartials(ByteReader.open(writer.seal(1, "k"), 1, "k"), ["x"], 1_000);
  expect(read.x!.state).toEqual(state);
  accumulator.mergeSaved(into, AT, read.x!.state[accumulator.name]!);
}

describe.each(ACCUMULATORS)("the state of $name ($kind)", (accumulator) => {
  it("is the same bytes for every order and every tree of merges, also through what is stored", () => {
    const way = fc.record({
      order: fc.infiniteStream(fc.nat()),
      cut: fc.infiniteStream(fc.integer({ min: 1, max: 30 })),
      pick: fc.infiniteStream(fc.nat()),
    });
    fc.assert(
      fc.property(many, way, (all, { order, cut, pick }) => {
        const keyed = all.map((each) => ({ each, key: order.next().value as number }));
        const shuffled = keyed.sort((a, b) => a.key - b.key).map(({ each }) => each);
        const parts: Cells[] = [];
        for (let i = 0; i < shuffled.length; ) {
          const size = cut.next().value as number;
          parts.push((size % 2 === 0 ? gather : gatherMany)(accumulator, shuffled.slice(i, i + size)));
          i += size;
        }
        while (parts.length > 1) {
          const [from] = parts.splice((pick.next().value as number) % parts.length, 1);
          const into = parts[(pick.next().value as number) % parts.length]!;
          const how = (pick.next().value as number) % 3;
          if (how === 0) accumulator.merge(into, AT, from!);
          else if (how === 1) accumulator.merge(into, AT, stored(accumulator, from!));
          else mergeSaved(accumulator, into, from!);
        }
        const whole = gather(accumulator, all);
        expect(accumulator.save(parts[0]!, AT)).toEqual(accumulator.save(whole, AT));
      }),
      cases(),
    );
  });

  it("does not change when nothing is merged into it, and takes nothing from what it is merged into", () => {
    const values: Given[] = [
      { timeMs: 5, values: [21.4, 3] },
      { timeMs: 6, values: [-7, Number.NaN] },
    ];
    const cells = gather(accumulator, values);
    const saved = accumulator.save(cells, AT);
    accumulator.merge(cells, AT, newCells(AT + accumulator.cells));
    expect(accumulator.save(cells, AT)).toEqual(saved);
    const empty = newCells(AT + accumulator.cells);
    accumulator.merge(empty, AT, cells);
    for (const {
      timeMs,
      values: [, y],
    } of values)
      accumulator.add(empty, AT, { timeMs: timeMs + 10, values: [1e6, y!] }, 0);
    expect(accumulator.save(cells, AT)).toEqual(saved);
  });
});
