import { formatInstant } from "../model/time.js";
import type { Aggregate } from "./aggregate.js";
import { type Accumulator, type Cells, cellOf } from "./cells.js";
import { countAccumulator } from "./count.js";

/**
 * Smallest and largest value, each with the earliest event time at which it occurred.
 * Cells: `[seen, min, minTime, max, maxTime]`.
 */
export const extentAccumulator: Accumulator = {
  name: "extent",
  cells: 5,
  add: (state, at, value, timeMs) => addExtent(state, at, value as number, timeMs),
  merge: mergeExtent,
  save: ({ numbers, base }, at) => Array.from(numbers.subarray(base + at + 1, base + at + 5)),
  mergeSaved(into, at, [min, minTime, max, maxTime]) {
    addExtent(into, at, min as number, minTime as number);
    addExtent(into, at, max as number, maxTime as number);
  },
};

export function addExtent(state: Cells, at: number, x: number, timeMs: number): void {
  const { numbers } = state;
  const i = state.base + at;
  if (numbers[i] === 0) {
    numbers[i] = 1;
    setMin(numbers, i, x, timeMs);
    setMax(numbers, i, x, timeMs);
    return;
  }
  if (x < numbers[i + 1]! || (x === numbers[i + 1] && timeMs < numbers[i + 2]!))
    setMin(numbers, i, x, timeMs);
  if (x > numbers[i + 3]! || (x === numbers[i + 3] && timeMs < numbers[i + 4]!))
    setMax(numbers, i, x, timeMs);
}

export function mergeExtent(into: Cells, at: number, from: Cells): void {
  const { numbers } = from;
  const i = from.base + at;
  if (numbers[i] === 0) return;
  addExtent(into, at, numbers[i + 1]!, numbers[i + 2]!);
  addExtent(into, at, numbers[i + 3]!, numbers[i + 4]!);
}

function setMin(numbers: Float64Array, at: number, value: number, timeMs: number): void {
  numbers[at + 1] = value;
  numbers[at + 2] = timeMs;
}

function setMax(numbers: Float64Array, at: number, value: number, timeMs: number): void {
  numbers[at + 3] = value;
  numbers[at + 4] = timeMs;
}

const needs = () => [countAccumulator, extentAccumulator];

export const extentAggregates: readonly Aggregate[] = [
  {
    name: "min",
    description: "Smallest value. Unit of the field. Exact. OPC UA Minimum.",
    fields: "numbers",
    needs,
    result: ({ cells, at }) => cellOf(cells, at.extent! + 1),
  },
  {
    name: "max",
    description: "Largest value. Unit of the field. Exact. OPC UA Maximum.",
    fields: "numbers",
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
