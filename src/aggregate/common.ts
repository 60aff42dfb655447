import type { Accumulator, Cells } from "./cells.js";
import { countAccumulator } from "./count.js";
import { addExact, addExactProduct, squaresAccumulator, sumAccumulator } from "./exact-sum.js";
import { addExtent, extentAccumulator } from "./extent.js";

/**
 * The accumulators that nearly every field of numbers has, added to by one call that the compiler can follow: by way of
 * `Accumulator.add` each would be a call to it knows not what, with two numbers put on the heap.
 */
export interface CommonCells {
  /** First cell of each, -1 where it is not asked for. */
  readonly count: number;
  readonly sum: number;
  readonly squares: number;
  readonly extent: number;
}

const COMMON = {
  count: countAccumulator,
  sum: sumAccumulator,
  squares: squaresAccumulator,
  extent: extentAccumulator,
} as const;

/** @param at first cell by accumulator name */
export function commonCells(at: Readonly<Record<string, number>>): CommonCells {
  const { count = -1, sum = -1, squares = -1, extent = -1 } = at;
  return { count, sum, squares, extent };
}

export function isCommon(accumulator: Accumulator): boolean {
  return Object.values(COMMON).includes(accumulator);
}

/** The same as `Accumulator.add` of each. */
export function addCommon(state: Cells, of: CommonCells, x: number, timeMs: number): void {
  if (of.count >= 0) state.numbers[state.base + of.count]!++;
  if (of.extent >= 0) addExtent(state, of.extent, x, timeMs);
  if (of.sum >= 0) addExact(state, of.sum, x);
  if (of.squares >= 0) addExactProduct(state, of.squares, x, x);
}
