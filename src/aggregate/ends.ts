import type { FieldValue } from "../model/reading.js";
import { type Accumulator, type Cells, cellOf, setExtra } from "./cells.js";

/**
 * First and last value by event time. Where two readings share the time, the smaller value counts as first and
 * the larger as last, so that the order of arrival does not matter. Text is compared by UTF-16 code units.
 * Cells: `[seen, firstTime, first, lastTime, last]`; text stays in `Cells.extras`, by the value's cell.
 */
export const endsAccumulator: Accumulator = {
  name: "ends",
  cells: 5,
  add(state, at, value, timeMs) {
    const { numbers } = state;
    const i = state.base + at;
    const seen = numbers[i] !== 0;
    numbers[i] = 1;
    if (!seen || timeMs < numbers[i + 1]! || (timeMs === numbers[i + 1] && value < endValue(state, at + 2))) {
      setEnd(state, at + 1, timeMs, value);
    }
    if (!seen || timeMs > numbers[i + 3]! || (timeMs === numbers[i + 3] && value > endValue(state, at + 4))) {
      setEnd(state, at + 3, timeMs, value);
    }
  },
  merge(into, at, from) {
    if (cellOf(from, at) === 0) return;
    this.add(into, at, endValue(from, at + 2), cellOf(from, at + 1));
    this.add(into, at, endValue(from, at + 4), cellOf(from, at + 3));
  },
  save: (state, at) => [
    endValue(state, at + 2),
    cellOf(state, at + 1),
    endValue(state, at + 4),
    cellOf(state, at + 3),
  ],
  mergeSaved(into, at, [first, firstTime, last, lastTime]) {
    this.add(into, at, first!, firstTime as number);
    this.add(into, at, last!, lastTime as number);
  },
};

/** The first (`at + 2`) or last (`at + 4`) value. */
export function endValue(state: Cells, cell: number): FieldValue {
  return (state.extras?.get(cell) as string | undefined) ?? cellOf(state, cell);
}

function setEnd(state: Cells, at: number, timeMs: number, value: FieldValue): void {
  state.numbers[state.base + at] = timeMs;
  if (typeof value === "number") state.numbers[state.base + at + 1] = value;
  else setExtra(state, at + 1, value);
}
