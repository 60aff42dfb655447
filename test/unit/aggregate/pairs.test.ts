import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findAggregate } from "../../../src/aggregate/catalog.js";
import { newCells } from "../../../src/aggregate/cells.js";
import { pairSquaresAccumulator, pairsAccumulator } from "../../../src/aggregate/pairs.js";
import { cases } from "../../helpers/cases.js";
import { exactCodeviation, toScaled } from "../../oracle/rational.js";

type Pair = readonly [number, number];

function correlationOf(pairs: readonly Pair[]): number | null {
  const other = { place: 1, meaning: "" };
  const accumulators = [pairsAccumulator("y", other), pairSquaresAccumulator("y", other)] as const;
  const at = { "pairs(y)": 0, "pairSquares(y)": accumulators[0].cells };
  const cells = newCells(accumulators[0].cells + accumulators[1].cells);
  for (const [x, y] of pairs) {
    accumulators[0].add(cells, at["pairs(y)"], { timeMs: 0, values: [x, y] }, 0);
    accumulators[1].add(cells, at["pairSquares(y)"], { timeMs: 0, values: [x, y] }, 0);
  }
  const rest = { field: { values: undefined }, window: undefined, accepted: 0, doubtful: 0 };
  return findAggregate("correlation(y)")!.result({ cells, at, ...rest }) as number | null;
}

const number = fc.oneof(
  fc.integer({ min: -50, max: 50 }),
  fc.double({ min: 1e9, max: 1e9 + 1, noNaN: true }),
  fc.double({ min: -1e20, max: 1e20, noNaN: true }).map((x) => (Math.abs(x) < 1e-60 ? 0 : x)),
);

describe("a correlation", () => {
  it("is off by a share of 2^-50 at most, however large the means and close the points to a line", () => {
    const line = fc
      .tuple(number, fc.constantFrom(1, -2, 1e-9), number)
      .map(([x, a, b]): Pair => [x, a * x + b]);
    const pair = fc.oneof(fc.tuple(number, number), line);
    fc.assert(
      fc.property(fc.array(pair, { minLength: 2, maxLength: 30 }), (pairs) => {
        const r = correlationOf(pairs);
        const spread = (of: 0 | 1) => exactCodeviation(pairs.map((each) => [each[of], each[of]]));
        const squares = spread(0) * spread(1);
        if (squares === 0n) {
          expect(r).toBe(null);
          return;
        }
        const exact = exactCodeviation(pairs);
        expect(Math.sign(r!)).toBe(exact === 0n ? 0 : exact > 0n ? 1 : -1);
        // |r| (1 ± 2^-50) against |exact| / √squares, both squared, in whole numbers.
        const scaled = toScaled(Math.abs(r!));
        const within = (by: bigint) => (scaled * ((1n << 50n) + by)) ** 2n * squares;
        const wanted = (exact << (1074n + 50n)) ** 2n;
        expect(within(-1n) <= wanted && wanted <= within(1n)).toBe(true);
      }),
      cases(),
    );
  });

  it("of values near the bounds of what is kept does not overflow", () => {
    expect(
      correlationOf([
        [1e120, -1e120],
        [-1e120, 1e120],
        [0, 0],
      ]),
    ).toBe(-1);
    expect(
      correlationOf([
        [1e-70, 2e-70],
        [2e-70, 4e-70],
      ]),
    ).toBe(1);
  });
});
