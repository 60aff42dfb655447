import type { AccumulatorState } from "../model/partials.js";
import type { Accumulator, Cells } from "./cells.js";
import { growExpansion, productError } from "./expansion.js";

/**
 * Exact sums in fixed cells: `[n, c0 … c3]`, the n components of an expansion (see expansion.ts). Four components
 * hold any sum whose terms span about 200 bits, which is every sensor there is; a sum that needs more moves to
 * `Cells.wide`, marked by n = -1, and stays exact.
 */
const COMPONENTS = 4;

/** Adds `x` to the exact sum at `at`. */
export function addExact(state: Cells, at: number, x: number): void {
  const numbers = state.numbers;
  const count = numbers[at]!;
  if (count < 0) {
    growExpansion(state.wide!.get(at)!, x);
    return;
  }
  let kept = 0;
  let carry = x;
  for (let i = 1; i <= count; i++) {
    const term = numbers[at + i]!;
    const high = carry + term;
    const virtual = high - carry;
    const low = carry - (high - virtual) + (term - virtual);
    if (low !== 0) numbers[at + ++kept] = low;
    carry = high;
  }
  if (carry === 0) {
    numbers[at] = kept;
  } else if (kept < COMPONENTS) {
    numbers[at + ++kept] = carry;
    numbers[at] = kept;
  } else {
    widen(state, at, carry);
  }
}

function widen(state: Cells, at: number, carry: number): void {
  const expansion = Array.from(state.numbers.subarray(at + 1, at + 1 + COMPONENTS));
  expansion.push(carry);
  state.numbers[at] = -1;
  state.wide ??= new Map();
  state.wide.set(at, expansion);
}

/** The expansion of the exact sum at `at`. */
export function exactComponents(state: Cells, at: number): readonly number[] {
  const count = state.numbers[at]!;
  if (count < 0) return state.wide!.get(at)!;
  const components: number[] = [];
  for (let i = 1; i <= count; i++) components.push(state.numbers[at + i]!);
  return components;
}

function mergeExact(into: Cells, at: number, from: Cells): void {
  for (const component of exactComponents(from, at)) addExact(into, at, component);
}

/** A copy: what is saved must not change when the sum does. */
function saveExact(state: Cells, at: number): AccumulatorState {
  return exactComponents(state, at).slice();
}

function mergeSavedSum(into: Cells, at: number, saved: AccumulatorState): void {
  for (const component of saved) addExact(into, at, component as number);
}

/** Σx, exactly. */
export const sumAccumulator: Accumulator = {
  name: "sum",
  cells: 1 + COMPONENTS,
  add: (state, at, value) => addExact(state, at, value as number),
  merge: mergeExact,
  save: saveExact,
  mergeSaved: mergeSavedSum,
};

/** Σx², exactly. */
export const squaresAccumulator: Accumulator = {
  name: "squares",
  cells: 1 + COMPONENTS,
  add(state, at, value) {
    const x = value as number;
    const square = x * x;
    const error = productError(x, x, square);
    if (error !== 0) addExact(state, at, error);
    addExact(state, at, square);
  },
  merge: mergeExact,
  save: saveExact,
  mergeSaved: mergeSavedSum,
};
