import type { FieldValue } from "../model/reading.js";
import { formatInstant } from "../model/time.js";
import type { Aggregate, Inputs } from "./aggregate.js";
import { type Accumulator, type Cells, cellOf, setExtra } from "./cells.js";
import { countAccumulator } from "./count.js";

/**
 * First and last value by event time. Where two readings share the time, the smaller value counts as first and
 * the larger as last, so that the order of arrival does not matter. Text is compared by UTF-16 code units.
 * Cells: `[seen, firstTime, first, lastTime, last]`; text stays in `Cells.extras`, by the value's cell.
 */
export const endsAccumulator: Accumulator = {
  name: "ends",
  cells: 5,
  add: (state, at, { timeMs, values }, field) => addEnds(state, at, values[field]!, timeMs),
  merge(into, at, from) {
    if (cellOf(from, at) === 0) return;
    addEnds(into, at, endValue(from, at + 2), cellOf(from, at + 1));
    addEnds(into, at, endValue(from, at + 4), cellOf(from, at + 3));
  },
  save: (state, at) => [
    endValue(state, at + 2),
    cellOf(state, at + 1),
    endValue(state, at + 4),
    cellOf(state, at + 3),
  ],
  mergeSaved(into, at, [first, firstTime, last, lastTime]) {
    addEnds(into, at, first!, firstTime as number);
    addEnds(into, at, last!, lastTime as number);
  },
};

function addEnds(state: Cells, at: number, value: FieldValue, timeMs: number): void {
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
}

/** The first (`at + 2`) or last (`at + 4`) value. */
function endValue(state: Cells, cell: number): FieldValue {
  return (state.extras?.get(cell) as string | undefined) ?? cellOf(state, cell);
}

function setEnd(state: Cells, at: number, timeMs: number, value: FieldValue): void {
  state.numbers[state.base + at] = timeMs;
  if (typeof value === "number") state.numbers[state.base + at + 1] = value;
  else setExtra(state, at + 1, value);
}

const needs = () => [countAccumulator, endsAccumulator];

export const endAggregates: readonly Aggregate[] = [
  {
    name: "first",
    description:
      "Value with the earliest event time; of several the smallest. Unit of the field. Exact. OPC UA Start.",
    fields: "all",
    gives: "value",
    needs,
    result: (inputs) => named(inputs, 2),
  },
  {
    name: "last",
    description:
      "Value with the latest event time; of several the largest. Unit of the field. Exact. OPC UA End.",
    fields: "all",
    gives: "value",
    needs,
    result: (inputs) => named(inputs, 4),
  },
  {
    name: "firstTime",
    description: "Earliest event time of a value, RFC 3339. Exact.",
    fields: "all",
    gives: "time",
    needs,
    result: ({ cells, at }) => formatInstant(cellOf(cells, at.ends! + 1)),
  },
  {
    name: "lastTime",
    description: "Latest event time of a value, RFC 3339. Exact.",
    fields: "all",
    gives: "time",
    needs,
    result: ({ cells, at }) => formatInstant(cellOf(cells, at.ends! + 3)),
  },
];

/** An end of the window, with an enum's name and a boolean's 0 or 1. */
function named({ cells, at, field }: Inputs, offset: 2 | 4): FieldValue | null {
  const value = endValue(cells, at.ends! + offset);
  return typeof value === "number" && field.values !== undefined ? (field.values[value] ?? null) : value;
}
