import type { Aggregate } from "./aggregate.js";
import { type Accumulator, cellOf } from "./cells.js";
import { savedCount } from "./saved-numbers.js";

/** Number of values. */
export const countAccumulator: Accumulator = {
  name: "count",
  cells: 1,
  add(state, at) {
    state.numbers[state.base + at]!++;
  },
  merge(into, at, from) {
    into.numbers[into.base + at]! += from.numbers[from.base + at]!;
  },
  save: (state, at) => [state.numbers[state.base + at]!],
  mergeSaved(into, at, [count]) {
    into.numbers[into.base + at]! += savedCount(count, 1);
  },
};

export const countAggregates: readonly Aggregate[] = [
  {
    name: "count",
    description: "Number of values. A number, exact.",
    fields: "all",
    ofNothing: 0,
    needs: () => [countAccumulator],
    result: ({ cells, at }) => cellOf(cells, at.count!),
  },
];
