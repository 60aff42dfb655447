import type { AccumulatorState } from "../model/partials.js";
import { type Accumulator, type Cells, type Sample, setExtra } from "./cells.js";
import { canonical, compress, growExpansion, productError, type Rough, SPLITTER } from "./expansion.js";
import { savedCount, savedNumber } from "./saved-numbers.js";

/**
 * Exact sums in fixed cells: `[n, c0 … c3]`, the n components of an expansion (see expansion.ts). Four components
 * hold any sum whose terms span about 200 bits, which is every sensor there is; a sum that needs more moves to
 * `Cells.extras`, marked by n = -1, and stays exact.
 */
const COMPONENTS = 4;

/** Cells of one exact sum. */
export const EXACT_CELLS = 1 + COMPONENTS;

/** Adds a reading's value to the exact sum at `at` (GROW-EXPANSION of expansion.ts). */
export function addTerm(state: Cells, at: number, reading: Sample, field: number): void {
  const { numbers } = state;
  const start = state.base + at;
  const end = start + (numbers[start]! | 0);
  let carry = reading.values[field] as number;
  if (end < start) {
    growExpansion(wideOf(state, at), carry);
    return;
  }
  let kept = start;
  for (let i = start + 1; i <= end; i++) {
    const term = numbers[i]!;
    const high = carry + term;
    const virtual = high - carry;
    const low = carry - (high - virtual) + (term - virtual);
    if (low !== 0) numbers[++kept] = low;
    carry = high;
  }
  if (carry !== 0) {
    if (kept === start + COMPONENTS) {
      crowded[COMPONENTS] = carry;
      widen(state, at);
      return;
    }
    numbers[++kept] = carry;
  }
  numbers[start] = kept - start;
}

/** A number by itself, to be added as a reading's value. */
const lone = { timeMs: Number.NaN, values: [Number.NaN] };

/** Adds `x` to the exact sum at `at`. */
export function addExact(state: Cells, at: number, x: number): void {
  lone.values[0] = x;
  addTerm(state, at, lone, 0);
}

/**
 * Adds the square of a reading's value to the exact sum at `at`: the rounded square and its rounding error (TWO-SQUARE
 * of the same paper), both in one walk, on which what the error leaves of a component meets the square.
 */
export function addSquare(state: Cells, at: number, reading: Sample, field: number): void {
  const { numbers } = state;
  const start = state.base + at;
  const end = start + (numbers[start]! | 0);
  const x = reading.values[field] as number;
  const big = SPLITTER * x;
  const upper = big - (big - x);
  const lower = x - upper;
  let square = x * x;
  let error = lower * lower - (square - upper * upper - (upper + upper) * lower);
  let kept = start;
  for (let i = start + 1; i <= end; i++) {
    const term = numbers[i]!;
    const high = error + term;
    const virtual = high - error;
    const rest = error - (high - virtual) + (term - virtual);
    error = high;
    const above = square + rest;
    const seen = above - square;
    const low = square - (above - seen) + (rest - seen);
    square = above;
    if (low !== 0) numbers[++kept] = low;
  }
  if (end < start || kept + 2 > start + COMPONENTS) {
    if (end >= start) numbers[start] = kept - start;
    addExact(state, at, error);
    addExact(state, at, square);
    return;
  }
  const high = error + square;
  const virtual = high - error;
  const low = error - (high - virtual) + (square - virtual);
  if (low !== 0) numbers[++kept] = low;
  if (high !== 0) numbers[++kept] = high;
  numbers[start] = kept - start;
}

/** One component more than there is room for, on the way to fewer. */
const crowded = new Float64Array(COMPONENTS + 1);

/** Makes room for the one that does not fit, which is the last of `crowded`. */
function widen(state: Cells, at: number): void {
  const { numbers } = state;
  const first = state.base + at + 1;
  for (let i = 0; i < COMPONENTS; i++) crowded[i] = numbers[first + i]!;
  const count = compress(crowded, COMPONENTS + 1);
  if (count <= COMPONENTS) {
    for (let i = 0; i < count; i++) numbers[first + i] = crowded[i]!;
    numbers[first - 1] = count;
    return;
  }
  numbers[first - 1] = -1;
  setExtra(state, at, Array.from(crowded));
}

function wideOf(state: Cells, at: number): number[] {
  return state.extras!.get(at) as number[];
}

/** The expansion of the exact sum at `at`. */
export function exactComponents(state: Cells, at: number): readonly number[] {
  const start = state.base + at;
  const count = state.numbers[start]!;
  if (count < 0) return wideOf(state, at);
  const components: number[] = [];
  for (let i = start + 1; i <= start + count; i++) components.push(state.numbers[i]!);
  return components;
}

/** The exact sum at `at`, without a list; `high` is NaN where it is zero or not in the cells. */
export function roughSum({ numbers, base }: Cells, at: number): Rough {
  const start = base + at;
  const end = start + numbers[start]!;
  let low = 0;
  let size = 0;
  for (let i = start + 1; i < end; i++) {
    low += numbers[i]!;
    size += Math.abs(numbers[i]!);
  }
  // Of three terms, which is two roundings.
  return { high: end > start ? numbers[end]! : Number.NaN, low, error: size * 2 ** -51 };
}

/** Adds `x * y` to the exact sum at `at`. */
export function addExactProduct(state: Cells, at: number, x: number, y: number): void {
  const product = x * y;
  let term = productError(x, y, product);
  // In a loop there is one call, which the compiler is more willing to take in.
  for (let i = 0; i < 2; i++) {
    if (term !== 0) addExact(state, at, term);
    term = product;
  }
}

export function mergeExact(into: Cells, at: number, from: Cells): void {
  const { numbers } = from;
  const start = from.base + at;
  const count = numbers[start]!;
  if (count < 0) for (const component of wideOf(from, at)) addExact(into, at, component);
  else for (let i = start + 1; i <= start + count; i++) addExact(into, at, numbers[i]!);
}

/** The one list of its value, however the sum came about; a copy, which does not change when the sum does. */
export function saveExact(state: Cells, at: number): AccumulatorState {
  return canonical(exactComponents(state, at));
}

export function mergeSavedSum(into: Cells, at: number, saved: AccumulatorState): void {
  for (const component of saved) addExact(into, at, savedNumber(component));
}

/** Several sums, one behind the other: each the number of its components, then those. */
export function saveExacts(state: Cells, at: number, count: number): AccumulatorState {
  return Array.from({ length: count }, (_, i) => {
    const saved = saveExact(state, at + i * EXACT_CELLS);
    return [saved.length, ...saved];
  }).flat();
}

export function mergeSavedExacts(into: Cells, at: number, saved: AccumulatorState): void {
  for (let i = 0, cell = at; i < saved.length; cell += EXACT_CELLS) {
    const count = savedCount(saved[i++]);
    for (const end = i + count; i < end; i++) addExact(into, cell, savedNumber(saved[i]));
  }
}

/** Σx, exactly. */
export const sumAccumulator: Accumulator = {
  name: "sum",
  cells: EXACT_CELLS,
  add: addTerm,
  merge: mergeExact,
  save: saveExact,
  mergeSaved: mergeSavedSum,
};

/** Σx², exactly. */
export const squaresAccumulator: Accumulator = {
  name: "squares",
  cells: EXACT_CELLS,
  add: addSquare,
  merge: mergeExact,
  save: saveExact,
  mergeSaved: mergeSavedSum,
};
