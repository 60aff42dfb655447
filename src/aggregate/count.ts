import type { Accumulator } from "./cells.js";

/** Number of values. */
export const countAccumulator: Accumulator = {
  name: "count",
  cells: 1,
  add(state, at) {
    state.numbers[at]!++;
  },
  merge(into, at, from) {
    into.numbers[at]! += from.numbers[at]!;
  },
  save: (state, at) => [state.numbers[at]!],
  mergeSaved(into, at, [count]) {
    into.numbers[at]! += count as number;
  },
};
