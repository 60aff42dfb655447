import type { FieldValue } from "../model/reading.js";
import type { Accumulator, Cells } from "./cells.js";

/**
 * First and last value by event time. Where two readings share the time, the smaller value counts as first and
 * the larger as last, so that the order of arrival does not matter. Text is compared by UTF-16 code units.
 * Cells: `[seen, firstTime, first, lastTime, last]`; text stays in `Cells.texts`, by the value's cell.
 */
export const endsAccumulator: Accumulator = {
  name: "ends",
  cells: 5,
  add(state, at, value, timeMs) {
    const numbers = state.numbers;
    const seen = numbers[at] !== 0;
    numbers[at] = 1;
    if (
      !seen ||
      timeMs < numbers[at + 1]! ||
      (timeMs === numbers[at + 1] && value < endValue(state, at + 2))
    ) {
      setEnd(state, at + 1, timeMs, value);
    }
    if (
      !seen ||
      timeMs > numbers[at + 3]! ||
      (timeMs === numbers[at + 3] && value > endValue(state, at + 4))
    ) {
      setEnd(state, at + 3, timeMs, value);
    }
  },
  merge(into, at, from) {
    if (from.numbers[at] === 0) return;
    this.add(into, at, endValue(from, at + 2), from.numbers[at + 1]!);
    this.add(into, at, endValue(from, at + 4), from.numbers[at + 3]!);
  },
  save: (state, at) => [
    endValue(state, at + 2),
    state.numbers[at + 1]!,
    endValue(state, at + 4),
    state.numbers[at + 3]!,
  ],
  mergeSaved(into, at, [first, firstTime, last, lastTime]) {
    this.add(into, at, first!, firstTime as number);
    this.add(into, at, last!, lastTime as number);
  },
};

/** The first (`at + 2`) or last (`at + 4`) value. */
export function endValue(state: Cells, cell: number): FieldValue {
  return state.texts?.get(cell) ?? state.numbers[cell]!;
}

function setEnd(state: Cells, at: number, timeMs: number, value: FieldValue): void {
  state.numbers[at] = timeMs;
  if (typeof value === "number") {
    state.numbers[at + 1] = value;
  } else {
    state.texts ??= new Map();
    state.texts.set(at + 1, value);
  }
}
