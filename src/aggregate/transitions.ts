import type { Aggregate } from "./aggregate.js";
import { cellOf } from "./cells.js";
import { countAccumulator } from "./count.js";
import { type SegmentKind, segmentAccumulator, segmentAt } from "./segment.js";

/** Sum: how often a value differs from the one before it. */
const KIND: SegmentKind = {
  name: "transitions",
  parameters: [],
  plain: 1,
  exact: 0,
  add(state, sums, { from, to }) {
    if (from !== to) state.numbers[state.base + sums.plain]!++;
  },
};

const transitionsAccumulator = segmentAccumulator(KIND);

export const transitionAggregates: readonly Aggregate[] = [
  {
    name: "transitions",
    description:
      "How often a value differs from the one before it, the first from the last one before the window. A number, exact. OPC UA NumberOfTransitions (Part 13) also counts a first value that has none before it.",
    fields: "all",
    ofNothing: 0,
    needs: () => [countAccumulator, transitionsAccumulator],
    result({ cells, at }) {
      const { before, first, cells: sums } = segmentAt(KIND, cells, at.transitions!);
      const atStart = before !== undefined && before.value !== first.value ? 1 : 0;
      return cellOf(cells, sums.plain) + atStart;
    },
  },
];
