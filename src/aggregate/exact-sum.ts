import type { AccumulatorState } from "../model/partials.js";
import { type Accumulator, type Cells, setExtra } from "./cells.js";
import { canonical, compress, growExpansion, productError } from "./expansion.js";

/**
 * Exact sums in fixed cells: `[n, c0 … c3]`, the n components of an expansion (see expansion.ts). Four components
 * hold any sum whose terms span about 200 bits, which is every sensor there is; a sum that needs more moves to
 * `Cells.extras`, marked by n = -1, and stays exact.
 */
const COMPONENTS = 4;

/** Cells of one exact sum. */
export const EXACT_CELLS = 1 + COMPONENTS;

/** Adds `x` to the exact sum at `at`. */
export function addExact(state: Cells, at: number, x: number): void {
  const { numbers } = state;
  const start = state.base + at;
  const count = numbers[start]!;
  if (count < 0) {
    growExpansion(wideOf(state, at), x);
    return;
  }
  let kept = start;
  let carry = x;
  for (let i = start + 1; i <= start + count; i++) {
    const term = numbers[i]!;
    const high = carry + term;
    const virtual = high - carry;
    const low = carry - (high - virtual) + (term - virtual);
    if (low !== 0) numbers[++kept] = low;
    carry = high;
  }
  if (carry !== 0) {
    if (kept === start + COMPONENTS) {
      widen(state, at, carry);
      return;
    }
    numbers[++kept] = carry;
  }
  numbers[start] = kept - start;
}

/** One component more than there is room for, on the way to fewer. */
const crowded = new Float64Array(COMPONENTS + 1);

function widen(state: Cells, at: number, carry: number): void {
  const { numbers } = state;
  const first = state.base + at + 1;
  for (let i = 0; i < COMPONENTS; i++) crowded[i] = numbers[first + i]!;
  crowded[COMPONENTS] = carry;
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
  for (const component of saved) addExact(into, at, component as number);
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
    const count = saved[i++] as number;
    for (const end = i + count; i < end; i++) addExact(into, cell, saved[i] as number);
  }
}

/** Σx, exactly. */
export const sumAccumulator: Accumulator = {
  name: "sum",
  cells: EXACT_CELLS,
  add: (state, at, value) => addExact(state, at, value as number),
  merge: mergeExact,
  save: saveExact,
  mergeSaved: mergeSavedSum,
};

/** Σx², exactly. */
export const squaresAccumulator: Accumulator = {
  name: "squares",
  cells: EXACT_CELLS,
  add(state, at, value) {
    addExactProduct(state, at, value as number, value as number);
  },
  merge: mergeExact,
  save: saveExact,
  mergeSaved: mergeSavedSum,
};
