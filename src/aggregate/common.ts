import type { Accumulator, Cells, Sample } from "./cells.js";
import { countAccumulator } from "./count.js";
import { addSquare, addTerm, mergeExact, squaresAccumulator, sumAccumulator } from "./exact-sum.js";
import { addExtent, extentAccumulator, mergeExtent } from "./extent.js";

/**
 * The accumulators that nearly every field of numbers has, added to by one call that the compiler can follow: by way of
 * `Accumulator.add` each would be a call to it knows not what.
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

export function commonCells(
  slots: readonly { readonly accumulator: Accumulator; readonly at: number }[],
): CommonCells {
  const of = (accumulator: Accumulator) => slots.find((slot) => slot.accumulator === accumulator)?.at ?? -1;
  const { count, sum, squares, extent } = COMMON;
  return { count: of(count), sum: of(sum), squares: of(squares), extent: of(extent) };
}

export function isCommon(accumulator: Accumulator): boolean {
  return Object.values(COMMON).includes(accumulator);
}

/** The same as `Accumulator.add` of each. */
export function addCommon(state: Cells, of: CommonCells, reading: Sample, field: number): void {
  if (of.count >= 0) state.numbers[state.base + of.count]!++;
  if (of.extent >= 0) addExtent(state, of.extent, reading, field);
  if (of.sum >= 0) addTerm(state, of.sum, reading, field);
  if (of.squares >= 0) addSquare(state, of.squares, reading, field);
}

/** The same as `Accumulator.merge` of each. */
export function mergeCommon(into: Cells, { count, sum, squares, extent }: CommonCells, from: Cells): void {
  if (count >= 0) into.numbers[into.base + count]! += from.numbers[from.base + count]!;
  if (extent >= 0) mergeExtent(into, extent, from);
  if (sum >= 0) mergeExact(into, sum, from);
  if (squares >= 0) mergeExact(into, squares, from);
}
