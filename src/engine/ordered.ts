import { type Cells, cellOf, type Sample } from "../aggregate/cells.js";
import { type FieldValue, isMissing, MISSING } from "../model/reading.js";
import { mergeCells, mergeUnordered, type OrderedField, type Plan } from "./plan.js";
import { readRows, valueAt } from "./rows.js";
import { firstFrom, type Slice, type TimeLine } from "./slice.js";

/**
 * Aggregates of an order: time averages, counters, transitions.
 *
 * Their accumulators must see the values in the order of time, so nothing is added to them when a reading comes. Its slice
 * keeps it, in order, and they are brought up to date from there before a slice is merged: by the rows that came
 * behind the ones they have seen, or from the first one on where a row came in between. In order every reading is so
 * added once. What a stored slice says of them is never read.
 *
 * A window begins with the last value before it, its bound. That comes from the slices that are still held, or
 * from what the device remembers of those that were let go. Readings of one time come in the order of their
 * hashes, as in folds.
 */
export interface Bound {
  readonly timeMs: number;
  readonly hash: number;
  readonly value: FieldValue;
}

export interface Remembering extends TimeLine {
  /** By `Plan.ordered`, the last value in slices that were let go. */
  bounds: (Bound | undefined)[];
}

/** Brings the ordered accumulators of a slice up to date. */
function settle(plan: Plan, slice: Slice): void {
  const { gathered, held, cells } = slice;
  if (gathered === held) return;
  const reading = { timeMs: Number.NaN, values: [MISSING as FieldValue] };
  for (const { place, slots } of plan.ordered) {
    if (gathered === 0) {
      for (const { accumulator, at } of slots) clear(cells, at, accumulator.cells);
    }
    for (let row = gathered; row < held; row++) {
      const value = valueAt(plan.slices, slice, row, place);
      if (isMissing(value)) continue;
      reading.timeMs = plan.slices.timeOf(slice, row);
      reading.values[0] = value;
      for (const { accumulator, at } of slots) accumulator.add(cells, at, reading, 0);
    }
  }
  slice.gathered = held;
  plan.slices.measure(slice);
}

function clear({ numbers, base, extras }: Cells, at: number, count: number): void {
  numbers.fill(0, base + at, base + at + count);
  if (extras !== undefined) for (let i = 0; i < count; i++) extras.delete(at + i);
}

/** Adds everything that slices have gathered; those in `slices` follow one another, the retired ones lie anywhere. */
export function gatherSlices(plan: Plan, into: Cells, of: TimeLine): void {
  const { slices, retired } = of;
  if (plan.ordered.length === 0 || retired.length === 0) {
    for (const slice of [...retired, ...slices]) {
      if (plan.ordered.length > 0) settle(plan, plan.slices.wake(slice));
      mergeCells(plan, into, plan.slices.cellsOf(slice));
    }
    return;
  }
  for (const slice of [...retired, ...slices]) mergeUnordered(plan, into, plan.slices.cellsOf(slice));
  const all = { epoch: 0, fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY };
  readRows(plan, of, all, (timeMs, values) => {
    addOrdered(plan, into, { timeMs, values });
    return true;
  });
}

/** Adds a reading that follows all those before it. */
export function addOrdered(plan: Plan, cells: Cells, reading: Sample): void {
  for (const { field, slots } of plan.ordered) {
    if (isMissing(reading.values[field]!)) continue;
    for (const { accumulator, at } of slots) accumulator.add(cells, at, reading, field);
  }
}

/** Notes the bounds of a window, by `Plan.ordered`, in what it has gathered. */
export function precede(plan: Plan, cells: Cells, boundOf: (index: number) => Bound | undefined): void {
  for (const [index, { slots }] of plan.ordered.entries()) {
    const bound = boundOf(index);
    if (bound === undefined) continue;
    for (const { accumulator, at } of slots) accumulator.precede(cells, at, bound.value, bound.timeMs);
  }
}

/** The last value before a time; undefined where there is none, or it is not known any more. */
export function lastBefore(
  plan: Plan,
  device: Remembering,
  index: number,
  timeMs: number,
): Bound | undefined {
  let best = device.bounds[index];
  if (best !== undefined && best.timeMs >= timeMs) return undefined;
  const field = plan.ordered[index]!;
  const { slices, retired } = device;
  for (let i = firstFrom(slices, timeMs) - 1; i >= 0; i--) {
    const found = lastIn(plan, slices[i]!, field, timeMs);
    if (found === undefined) continue;
    best = later(best, found);
    break;
  }
  for (const slice of retired) {
    const found = slice.startMs < timeMs ? lastIn(plan, slice, field, timeMs) : undefined;
    if (found !== undefined) best = later(best, found);
  }
  return best;
}

function lastIn(plan: Plan, slice: Slice, field: OrderedField, beforeMs: number): Bound | undefined {
  const memory = plan.slices;
  if (cellOf(memory.cellsOf(slice), field.countAt) === 0) return undefined;
  for (let row = memory.firstRow(slice, beforeMs) - 1; row >= 0; row--) {
    const value = valueAt(memory, slice, row, field.place);
    if (isMissing(value)) continue;
    return { timeMs: memory.timeOf(slice, row), hash: memory.hashOf(slice, row), value };
  }
  return undefined;
}

function later(a: Bound | undefined, b: Bound): Bound {
  if (a === undefined) return b;
  return a.timeMs > b.timeMs || (a.timeMs === b.timeMs && a.hash > b.hash) ? a : b;
}

/** Remembers the last values of a slice that is about to be let go. */
export function rememberBounds(plan: Plan, device: Remembering, slice: Slice): void {
  // Without an iterator for nearly every slice there is.
  if (plan.ordered.length === 0) return;
  for (const [index, field] of plan.ordered.entries()) {
    const found = lastIn(plan, slice, field, Number.POSITIVE_INFINITY);
    if (found !== undefined) device.bounds[index] = later(device.bounds[index], found);
  }
}
