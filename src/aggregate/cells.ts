import type { AccumulatorState } from "../model/partials.js";
import type { FieldValue } from "../model/reading.js";

/**
 * The state of every accumulator of one slice: a row of numbers, laid out once per profile, and what does not fit in
 * a fixed number of cells. The row may be a part of a larger array (engine/double-heap.ts).
 */
export interface Cells {
  numbers: Float64Array;
  /** Where the row begins in `numbers`; cells are counted from here. */
  base: number;
  /** By cell; undefined until there is any. Each kind of accumulator knows what it has put there. */
  extras: Map<number, Extra> | undefined;
}

/**
 * A reading, as accumulators are given it. Its numbers are not arguments of theirs: each would be put on the heap wherever
 * the compiler does not make one of caller and callee.
 */
export interface Sample {
  readonly timeMs: number;
  /** By field. */
  readonly values: readonly FieldValue[];
}

/** Values of one field, in any order; NaN where a reading has none. Not more than `BATCH_MAX`. */
export interface Column {
  readonly numbers: Float64Array;
  /** Where the first of them is. */
  readonly first: number;
  /** From one to the next. */
  readonly stride: number;
  readonly count: number;
}

export const BATCH_MAX = 64;

/** What may lie beside a cell: a text, a list of numbers of any length, bytes, or counts by value. */
export type Extra = string | number[] | Uint8Array | Map<FieldValue, number>;

/**
 * A mergeable summary of values. For most of them order means nothing: adding the same values in any order, in one go
 * or merged from parts, gives the same results.
 */
export interface Accumulator {
  /** Unique among those of a field; with a parameter in parentheses where there may be several. */
  readonly name: string;
  /** Differs between accumulators of one name whose states do not go together; most have none. */
  readonly kind?: string | undefined;
  /** Whether it is an `OrderedAccumulator`. */
  readonly ordered?: true;
  /** Number of consecutive cells it occupies; all start at 0. */
  readonly cells: number;
  /** Adds a reading's value of a field, which is there. */
  add(state: Cells, at: number, reading: Sample, field: number): void;
  /** The same of many values in one go, where that takes much less time: see engine/backlog.ts. Only for numbers. */
  addAll?(state: Cells, at: number, column: Column): void;
  /** Adds what `from` has gathered; both have the same layout. */
  merge(into: Cells, at: number, from: Cells): void;
  /** What it has gathered, as model/PARTIALS.md documents it. A copy. */
  save(state: Cells, at: number): AccumulatorState;
  /** Adds what was saved. */
  mergeSaved(into: Cells, at: number, saved: AccumulatorState): void;
}

/**
 * An accumulator to which order means something: values come in the order of time, and what is merged into it lies
 * behind what is there. Cut into slices anywhere, and merged in any tree, the same values give the same results.
 */
export interface OrderedAccumulator extends Accumulator {
  readonly ordered: true;
  /** Notes the last value before the first one. */
  precede(state: Cells, at: number, value: FieldValue, timeMs: number): void;
  /** Times of the first and the last value in what was saved. */
  span(saved: AccumulatorState): readonly [firstMs: number, lastMs: number];
  /** Notes the last value of what was saved as the one before the first, unless a later one is known. */
  follow(state: Cells, at: number, saved: AccumulatorState): void;
}

export function isOrdered(accumulator: Accumulator): accumulator is OrderedAccumulator {
  return accumulator.ordered === true;
}

export function newCells(count: number): Cells {
  return { numbers: new Float64Array(count), base: 0, extras: undefined };
}

export function cellOf({ numbers, base }: Cells, at: number): number {
  return numbers[base + at]!;
}

export function setExtra(cells: Cells, at: number, extra: Extra): void {
  cells.extras ??= new Map();
  cells.extras.set(at, extra);
}

export function copyOfExtra(extra: Extra): Extra {
  if (typeof extra === "string") return extra;
  return extra instanceof Map ? new Map(extra) : extra.slice();
}
