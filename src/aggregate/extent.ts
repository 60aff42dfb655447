import type { Accumulator, Cells } from "./cells.js";

/**
 * Smallest and largest value, each with the earliest event time at which it occurred.
 * Cells: `[seen, min, minTime, max, maxTime]`.
 */
export const extentAccumulator: Accumulator = {
  name: "extent",
  cells: 5,
  add: (state, at, value, timeMs) => {
    const numbers = state.numbers;
    const x = value as number;
    if (numbers[at] === 0) {
      numbers[at] = 1;
      setMin(numbers, at, x, timeMs);
      setMax(numbers, at, x, timeMs);
      return;
    }
    if (x < numbers[at + 1]! || (x === numbers[at + 1] && timeMs < numbers[at + 2]!))
      setMin(numbers, at, x, timeMs);
    if (x > numbers[at + 3]! || (x === numbers[at + 3] && timeMs < numbers[at + 4]!))
      setMax(numbers, at, x, timeMs);
  },
  merge(into: Cells, at: number, from: Cells) {
    const other = from.numbers;
    if (other[at] === 0) return;
    this.add(into, at, other[at + 1]!, other[at + 2]!);
    this.add(into, at, other[at + 3]!, other[at + 4]!);
  },
  save: ({ numbers }, at) => [numbers[at + 1]!, numbers[at + 2]!, numbers[at + 3]!, numbers[at + 4]!],
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
