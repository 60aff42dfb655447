import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findAggregate } from "../../../src/aggregate/catalog.js";
import { type Cells, newCells } from "../../../src/aggregate/cells.js";
import { countAccumulator } from "../../../src/aggregate/count.js";
import { roughSum, squaresAccumulator, sumAccumulator } from "../../../src/aggregate/exact-sum.js";
import { divideRough } from "../../../src/aggregate/expansion.js";
import { cases } from "../../helpers/cases.js";
import { exactMean, exactVariance, toDouble, toScaled } from "../../oracle/rational.js";

const at = { count: 0, sum: 1, squares: 1 + sumAccumulator.cells };

function gathered(values: readonly number[]): Cells {
  const cells = newCells(at.squares + squaresAccumulator.cells);
  for (const x of values) {
    const reading = { timeMs: 0, values: [x] };
    countAccumulator.add(cells, at.count, reading, 0);
    sumAccumulator.add(cells, at.sum, reading, 0);
    squaresAccumulator.add(cells, at.squares, reading, 0);
  }
  return cells;
}

function resultOf(name: string, values: readonly number[]): unknown {
  const inputs = { cells: gathered(values), at, field: { values: undefined }, window: undefined };
  return findAggregate(name)!.result({ ...inputs, accepted: values.length, doubtful: 0 });
}

/** What a sensor says: steps around a level, which may be far from zero, and hardly any or very wide ones. */
const sensor = fc
  .record({
    level: fc.constantFrom(0, 21.4, -7.3, 101_325, 1e9, 2 ** 40 + 0.1),
    step: fc.constantFrom(0.1, 1, 2 ** -20, 1e-12, 1e7),
    steps: fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 100 }),
  })
  .map(({ level, step, steps }) => steps.map((count) => level + count * step));

/** Whole numbers over powers of two: their means and variances are often in the middle of two doubles. */
const dyadic = fc.array(
  fc
    .tuple(fc.integer({ min: -9, max: 9 }), fc.constantFrom(1, 2 ** -26, 2 ** -52, 2 ** 53))
    .map(([n, x]) => n * x),
  { minLength: 1, maxLength: 8 },
);

const apart = fc.array(fc.double({ min: -1e120, max: 1e120, noNaN: true }), { minLength: 1, maxLength: 10 });

describe("means and variances", () => {
  it.each([
    ["steps of a sensor", sensor],
    ["sums with few bits", dyadic],
    ["any numbers", apart],
  ])("are the nearest double, whether it takes exact arithmetic to tell or not: %s", (_, all) => {
    fc.assert(
      fc.property(all, (given) => {
        const values = given.map((x) => (Math.abs(x) < 1e-60 ? 0 : x));
        expect(resultOf("mean", values)).toBe(exactMean(values));
        expect(resultOf("variance", values)).toBe(exactVariance(values, 1));
        expect(resultOf("variancePopulation", values)).toBe(exactVariance(values, 0));
      }),
      cases(),
    );
  });

  it("are not guessed where the exact quotient is next to the middle of two doubles", () => {
    const off = fc.tuple(fc.constantFrom(-1, 0, 1), fc.integer({ min: -260, max: -50 }));
    fc.assert(
      fc.property(
        fc.double({ min: 1, max: 2, noNaN: true }),
        fc.nat(999),
        off,
        (near, over, [sign, bits]) => {
          const n = over + 1;
          // n times the middle above `near`, in terms that are exact, and a little beside it.
          const terms = [...new Array(n).fill([near, 2 ** -53]).flat(), sign * 2 ** bits];
          const exact = terms.reduce((sum, x) => sum + toScaled(x), 0n);
          const quotient = divideRough(roughSum(gathered(terms), at.sum), n);
          const said = Number.isNaN(quotient) ? "not sure" : quotient;
          expect(["not sure", toDouble(exact, BigInt(n), 1074n)]).toContain(said);
          if (sign === 0 && near < 2) expect(said).toBe("not sure");
        },
      ),
      cases(),
    );
  });

  it("of nearly all windows are told without exact arithmetic", () => {
    const values = Array.from({ length: 3_600 }, (_, i) => Math.round(214 + 9 * Math.sin(i * i)) / 10);
    expect(divideRough(roughSum(gathered(values), at.sum), 3_600)).toBe(exactMean(values));
  });
});
