import type { Accumulator, Cells } from "./cells.js";

/**
 * Smallest and largest value, each with the earliest event time at which it occurred.
 * Cells: `[seen, min, minTime, max, maxTime]`.
 */
export const extentAccumulator: Accumulator = {
  name: "extent",
  cells: 5,
  add: (state, at, value, timeMs) => {
    const { numbers } = state;
    const i = state.base + at;
    const x = value as number;
    if (numbers[i] === 0) {
      numbers[i] = 1;
      setMin(numbers, i, x, timeMs);
      setMax(numbers, i, x, timeMs);
      return;
    }
    if (x < numbers[i + 1]! || (x === numbers[i + 1] && timeMs < numbers[i + 2]!))
      setMin(numbers, i, x, timeMs);
    if (x > numbers[i + 3]! || (x === numbers[i + 3] && timeMs < numbers[i + 4]!))
      setMax(numbers, i, x, timeMs);
  },
  merge(into: Cells, at: number, from: Cells) {
    const { numbers } = from;
    const i = from.base + at;
    if (numbers[i] === 0) return;
    this.add(into, at, numbers[i + 1]!, numbers[i + 2]!);
    this.add(into, at, numbers[i + 3]!, numbers[i + 4]!);
  },
  save: ({ numbers, base }, at) => Array.from(numbers.subarray(base + at + 1, base + at + 5)),
  mergeSaved(into, at, [min, minTime, max, maxTime]) {
    this.add(into, at, min!, minTime as number);
    this.add(into, at, max!, maxTime as number);
  },
};

function setMin(numbers: Float64Array, at: number, value: number, timeMs: number): void {
  numbers[at + 1] = value;
  numbers[at + 2] = timeMs;
}

function setMax(numbers: Float64Array, at: number, value: number, timeMs: number): void {
  numbers[at + 3] = value;
  numbers[at + 4] = timeMs;
}
