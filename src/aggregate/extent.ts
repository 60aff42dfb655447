import { formatInstant } from "../model/time.js";
import type { Aggregate } from "./aggregate.js";
import { type Accumulator, type Cells, cellOf, type Sample } from "./cells.js";
import { countAccumulator } from "./count.js";

/**
 * Smallest and largest value, each with the earliest event time at which it occurred.
 * Cells: `[seen, min, minTime, max, maxTime]`.
 */
export const extentAccumulator: Accumulator = {
  name: "extent",
  cells: 5,
  add: addExtent,
  merge: mergeExtent,
  save: ({ numbers, base }, at) => Array.from(numbers.subarray(base + at + 1, base + at + 5)),
  mergeSaved(into, at, [min, minTime, max, maxTime]) {
    include(into, at, min as number, minTime as number);
    include(into, at, max as number, maxTime as number);
  },
};

export function addExtent(state: Cells, at: number, reading: Sample, field: number): void {
  const { numbers } = state;
  const i = state.base + at;
  const { timeMs } = reading;
  const x = reading.values[field] as number;
  const isFirst = numbers[i] === 0;
  if (isFirst || x < numbers[i + 1]! || (x === numbers[i + 1] && timeMs < numbers[i + 2]!)) {
    numbers[i + 1] = x;
    numbers[i + 2] = timeMs;
  }
  if (isFirst || x > numbers[i + 3]! || (x === numbers[i + 3] && timeMs < numbers[i + 4]!)) {
    numbers[i + 3] = x;
    numbers[i + 4] = timeMs;
  }
  if (isFirst) numbers[i] = 1;
}

export function mergeExtent(into: Cells, at: number, from: Cells): void {
  const { numbers } = from;
  const i = from.base + at;
  if (numbers[i] === 0) return;
  include(into, at, numbers[i + 1]!, numbers[i + 2]!);
  include(into, at, numbers[i + 3]!, numbers[i + 4]!);
}

/** A value by itself, to be added as a reading's. */
const lone = { timeMs: Number.NaN, values: [Number.NaN] };

function include(into: Cells, at: number, x: number, timeMs: number): void {
  lone.timeMs = timeMs;
  lone.values[0] = x;
  addExtent(into, at, lone, 0);
}

const needs = () => [countAccumulator, extentAccumulator];

export const extentAggregates: readonly Aggregate[] = [
  {
    name: "min",
    description: "Smallest value. Unit of the field. Exact. OPC UA Minimum.",
    fields: "numbers",
    gives: "value",
    needs,
    result: ({ cells, at }) => cellOf(cells, at.extent! + 1),
  },
  {
    name: "max",
    description: "Largest value. Unit of the field. Exact. OPC UA Maximum.",
    fields: "numbers",
    gives: "value",
    needs,
    result: ({ cells, at }) => cellOf(cells, at.extent! + 3),
  },
  {
    name: "minTime",
    description: "Earliest event time of the smallest value, RFC 3339. Exact. OPC UA MinimumActualTime.",
    fields: "numbers",
    gives: "time",
    needs,
    result: ({ cells, at }) => formatInstant(cellOf(cells, at.extent! + 2)),
  },
  {
    name: "maxTime",
    description: "Earliest event time of the largest value, RFC 3339. Exact. OPC UA MaximumActualTime.",
    fields: "numbers",
    gives: "time",
    needs,
    result: ({ cells, at }) => formatInstant(cellOf(cells, at.extent! + 4)),
  },
  {
    name: "range",
    description: "max - min. Unit of the field. Rounded once. OPC UA Range.",
    fields: "numbers",
    needs,
    result: ({ cells, at }) => cellOf(cells, at.extent! + 3) - cellOf(cells, at.extent! + 1),
  },
];
