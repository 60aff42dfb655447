import type { AccumulatorState } from "../model/partials.js";
import type { FieldValue } from "../model/reading.js";

/**
 * The state of every accumulator of one slice: one flat array of numbers, laid out once per profile, plus the
 * two things that do not fit in a fixed number of cells.
 */
export interface Cells {
  readonly numbers: Float64Array;
  /** Text kept by accumulators over text fields, by cell; undefined until there is any. */
  texts: Map<number, string> | undefined;
  /** Expansions of exact sums that outgrew their cells, by cell; undefined until there is any. */
  wide: Map<number, number[]> | undefined;
}

/**
 * A mergeable summary of values that does not depend on their order: adding the same values in any order, in
 * one go or merged from parts, gives the same results.
 */
export interface Accumulator {
  readonly name: string;
  /** Number of consecutive cells it occupies; all start at 0. */
  readonly cells: number;
  add(state: Cells, at: number, value: FieldValue, timeMs: number): void;
  /** Adds what `from` has gathered; both have the same layout. */
  merge(into: Cells, at: number, from: Cells): void;
  /** What it has gathered, as model/partials.ts documents it. */
  save(state: Cells, at: number): AccumulatorState;
  /** Adds what was saved. */
  mergeSaved(into: Cells, at: number, saved: AccumulatorState): void;
}

export function newCells(count: number): Cells {
  return { numbers: new Float64Array(count), texts: undefined, wide: undefined };
}
