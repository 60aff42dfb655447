import { WeirError } from "../model/errors.js";
import type { Aggregate } from "./aggregate.js";
import { type Accumulator, type Cells, cellOf } from "./cells.js";
import { countAccumulator } from "./count.js";

/**
 * The time between two values where all goes well, in milliseconds; 0 until there is a value. It adds nothing up: a
 * state brings it along, so that what is merged needs no profile.
 */
export function periodAccumulator(periodMs: number | undefined): Accumulator {
  return {
    name: "period",
    kind: String(periodMs),
    cells: 1,
    add: (state, at) => set(state, at, periodMs ?? 0),
    merge: (into, at, from) => set(into, at, cellOf(from, at)),
    save: (state, at) => [cellOf(state, at)],
    mergeSaved(into, at, [saved]) {
      const before = cellOf(into, at);
      if (before !== 0 && before !== saved) {
        throw new WeirError("unmergeable", "the summaries expect values at different intervals");
      }
      set(into, at, saved as number);
    },
  };
}

function set(state: Cells, at: number, periodMs: number): void {
  if (periodMs > 0) state.numbers[state.base + at] = periodMs;
}

export const completenessAggregates: readonly Aggregate[] = [
  {
    name: "percentGood",
    description:
      "100 · values that cleaning neither clamped nor flagged / readings accepted: a reading without a value of the field counts as not good. In %, as `units` says. Rounded once. Not for windows whose bounds follow from the readings. OPC UA PercentGood (Part 13) is the share of time, not of readings, in which the value is good.",
    fields: "numbers",
    unit: () => "%",
    requires: "fates",
    needs: () => [countAccumulator],
    result: ({ cells, at, accepted, doubtful }) => (100 * (cellOf(cells, at.count!) - doubtful)) / accepted,
  },
  {
    name: "completeness",
    description:
      "Values / values expected, that is the length of the window divided by `time.period`; above 1 where more came. A ratio, without a unit. Rounded once. null in a global window. In a coarser window that unsent summaries were merged into, of that whole window.",
    fields: "numbers",
    requires: "period",
    ofNothing: 0,
    needs: ({ periodMs }) => [countAccumulator, periodAccumulator(periodMs)],
    result({ cells, at, window }) {
      const lengthMs = window === undefined ? 0 : window.endMs - window.startMs;
      return lengthMs > 0 ? (cellOf(cells, at.count!) * cellOf(cells, at.period!)) / lengthMs : null;
    },
  },
];
