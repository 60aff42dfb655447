import { LIMITS } from "../model/limits.js";
import type { AccumulatorState } from "../model/partials.js";
import type { FieldValue } from "../model/reading.js";
import type { SummaryValue } from "../model/summary.js";
import type { Aggregate, Inputs } from "./aggregate.js";
import { type Accumulator, type Cells, cellOf, setExtra } from "./cells.js";
import { countAccumulator } from "./count.js";
import { savedCount } from "./saved-numbers.js";

/**
 * How often each value occurs. With more than `LIMITS.countedValuesMax` different values nothing is counted any more:
 * whatever were kept of them would depend on which came first. So the state follows from the set of values, and merging
 * is exact. Cell: whether there were too many; the counts are beside it.
 */
export const tallyAccumulator: Accumulator = {
  name: "tally",
  cells: 1,
  add: (state, at, { values }, field) => count(state, at, values[field]!, 1),
  merge(into, at, from) {
    if (cellOf(from, at) !== 0) overflow(into, at);
    else for (const [value, times] of countsOf(from, at) ?? []) count(into, at, value, times);
  },
  save(state, at) {
    if (cellOf(state, at) !== 0) return [];
    return sorted(state, at).flat();
  },
  mergeSaved(into, at, saved) {
    if (saved.length === 0) overflow(into, at);
    for (const [value, times] of pairsOf(saved)) count(into, at, value, times);
  },
};

function countsOf(state: Cells, at: number): Map<FieldValue, number> | undefined {
  return state.extras?.get(at) as Map<FieldValue, number> | undefined;
}

function count(state: Cells, at: number, value: FieldValue, times: number): void {
  if (cellOf(state, at) !== 0) return;
  const counts = countsOf(state, at);
  const before = counts?.get(value);
  if (counts === undefined) setExtra(state, at, new Map([[value, times]]));
  else if (before !== undefined) counts.set(value, before + times);
  else if (counts.size < LIMITS.countedValuesMax) counts.set(value, times);
  else overflow(state, at);
}

function overflow(state: Cells, at: number): void {
  state.numbers[state.base + at] = 1;
  state.extras?.delete(at);
}

/** By value: numbers by size, texts by UTF-16 units. */
function sorted(state: Cells, at: number): [FieldValue, number][] {
  return [...(countsOf(state, at) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
}

function pairsOf(saved: AccumulatorState): [FieldValue, number][] {
  return Array.from({ length: saved.length / 2 }, (_, i) => [saved[2 * i]!, savedCount(saved[2 * i + 1], 1)]);
}

const LIMIT = `null where there are more than ${LIMITS.countedValuesMax} different values`;

export const tallyAggregates: readonly Aggregate[] = [
  {
    name: "mode",
    description: `The value that occurs most often; of several the smallest, of an enum's the first. Unit of the field. Exact; ${LIMIT}.`,
    fields: "discrete",
    gives: "value",
    needs: () => [countAccumulator, tallyAccumulator],
    result: mode,
  },
  {
    name: "counts",
    description: `How often each value occurs, by value: an object of numbers. Exact; ${LIMIT}.`,
    fields: "discrete",
    gives: "mapping",
    needs: () => [countAccumulator, tallyAccumulator],
    result({ cells, at, field }) {
      if (cellOf(cells, at.tally!) !== 0) return null;
      const named = sorted(cells, at.tally!).map(([value, times]) => [String(nameOf(value, field)), times]);
      return Object.fromEntries(named) as Record<string, SummaryValue>;
    },
  },
];

function mode({ cells, at, field }: Inputs): FieldValue | null {
  let most: [FieldValue, number] | undefined;
  for (const each of sorted(cells, at.tally!)) {
    if (most === undefined || each[1] > most[1]) most = each;
  }
  return most === undefined ? null : nameOf(most[0], field);
}

function nameOf(value: FieldValue, { values }: Inputs["field"]): FieldValue {
  return typeof value === "number" && values !== undefined ? (values[value] ?? value) : value;
}
