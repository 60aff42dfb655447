import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newCells } from "../../../src/aggregate/cells.js";
import { exactComponents, squaresAccumulator, sumAccumulator } from "../../../src/aggregate/exact-sum.js";
import {
  addProduct,
  canonical,
  divideExpansion,
  divideExpansions,
  growExpansion,
  roundExpansion,
} from "../../../src/aggregate/expansion.js";
import { cases } from "../../helpers/cases.js";
import { exactMean, exactSum, exactVariance, toDouble, toScaled } from "../../oracle/rational.js";

/** Wild enough that four components do not suffice, tame enough that squares stay exact. */
const wild = fc
  .tuple(fc.double({ min: -2, max: 2, noNaN: true }), fc.integer({ min: -120, max: 120 }))
  .map(([m, e]) => (Math.abs(m) < 1e-3 ? 0 : m * 2 ** e));

function sumOf(values: readonly number[]): readonly number[] {
  const cells = newCells(sumAccumulator.cells);
  for (const v of values) sumAccumulator.add(cells, 0, { timeMs: 0, values: [v] }, 0);
  return exactComponents(cells, 0);
}

describe("exact sums", () => {
  it("round correctly, whatever the order and however far the terms are apart", () => {
    fc.assert(
      fc.property(fc.array(wild, { maxLength: 60 }), (values) => {
        expect(roundExpansion(sumOf(values))).toBe(exactSum(values));
        expect(roundExpansion(sumOf([...values].reverse()))).toBe(exactSum(values));
      }),
      cases(),
    );
  });

  it("come out the same when merged from parts", () => {
    fc.assert(
      fc.property(fc.array(wild, { maxLength: 60 }), fc.nat(60), (values, at) => {
        const left = newCells(sumAccumulator.cells);
        const right = newCells(sumAccumulator.cells);
        values.forEach((v, i) => {
          sumAccumulator.add(i < at ? left : right, 0, { timeMs: 0, values: [v] }, 0);
        });
        sumAccumulator.merge(left, 0, right);
        expect(roundExpansion(exactComponents(left, 0))).toBe(exactSum(values));
      }),
      cases(),
    );
  });

  it("have one canonical form: every component the double nearest to what those above it leave", () => {
    fc.assert(
      fc.property(fc.array(wild, { maxLength: 40 }), (values) => {
        const components = canonical(sumOf(values));
        expect(canonical(sumOf([...values].reverse()))).toEqual(components);
        const rest = [...values];
        for (const component of components.reverse()) {
          expect(component).toBe(exactSum(rest));
          rest.push(-component);
        }
        expect(exactSum(rest)).toBe(0);
      }),
      cases(),
    );
  });

  it("keep what naive summation loses", () => {
    expect(roundExpansion(sumOf([1e100, 1, -1e100]))).toBe(1);
    expect(roundExpansion(sumOf(new Array(10).fill(0.1)))).toBe(1);
  });

  it("move to a list of their own when four components do not hold them, and stay exact", () => {
    const values = Array.from({ length: 20 }, (_, i) => 2 ** (i * 60 - 600));
    const cells = newCells(sumAccumulator.cells);
    for (const v of values) sumAccumulator.add(cells, 0, { timeMs: 0, values: [v] }, 0);
    expect(cells.extras?.size).toBe(1);
    for (const v of values.slice(1)) sumAccumulator.add(cells, 0, { timeMs: 0, values: [-v] }, 0);
    expect(roundExpansion(exactComponents(cells, 0))).toBe(values[0]);
  });
});

describe("means and variances", () => {
  it("are the nearest double to the exact value", () => {
    fc.assert(
      fc.property(fc.array(wild, { minLength: 1, maxLength: 40 }), (values) => {
        expect(divideExpansion(sumOf(values), values.length)).toBe(exactMean(values));
        const squares = newCells(squaresAccumulator.cells);
        for (const v of values) squaresAccumulator.add(squares, 0, { timeMs: 0, values: [v] }, 0);
        const n = values.length;
        const numerator: number[] = [];
        addProduct(numerator, exactComponents(squares, 0), [n], 1);
        addProduct(numerator, sumOf(values), sumOf(values), -1);
        expect(divideExpansion(numerator, n * n)).toBe(exactVariance(values, 0));
      }),
      cases(),
    );
  });

  it("are so, too, where the divisor has more digits than a double", () => {
    fc.assert(
      fc.property(
        fc.array(wild, { maxLength: 20 }),
        fc.array(wild, { minLength: 1, maxLength: 20 }),
        (a, b) => {
          const below = b.map(Math.abs);
          fc.pre(exactSum(below) > 0);
          const scaled = (all: readonly number[]) => all.reduce((sum, x) => sum + toScaled(x), 0n);
          expect(divideExpansions(sumOf(a), sumOf(below))).toBe(toDouble(scaled(a), scaled(below), 0n));
        },
      ),
      cases(),
    );
  });

  it("decide a tie by what is far below it", () => {
    const tie = 1 + 2 ** -52;
    const expansion: number[] = [];
    growExpansion(expansion, 3 * tie);
    growExpansion(expansion, 1e-100);
    expect(divideExpansion(expansion, 3)).toBe(tie);
    expect(divideExpansion([1e-100, 9], 2)).toBe(4.5);
  });

  it("of equal values are that value and zero", () => {
    const values = new Array(7).fill(21.4);
    expect(divideExpansion(sumOf(values), 7)).toBe(21.4);
  });
});
