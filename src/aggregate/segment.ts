import { WeirError } from "../model/errors.js";
import type { AccumulatorState } from "../model/partials.js";
import type { FieldValue } from "../model/reading.js";
import { type Cells, cellOf, newCells, type OrderedAccumulator, setExtra } from "./cells.js";
import { addExact, EXACT_CELLS, exactComponents, mergeSavedExacts, saveExacts } from "./exact-sum.js";

/**
 * What aggregates of an order have in common: a segment of a field's history.
 *
 * A segment has its first and its last value with their times, sums over the steps from each value to the next one, and
 * the value before the first, where it is known. Two segments of which one follows the other become one by the step from
 * the last value of the first to the first value of the second; the sums are exact. So it does not matter how the history
 * was cut, nor in which tree its segments are merged.
 *
 * The step from the value before to the first one is left to the results: what of it lies in the window depends on where
 * that begins. Likewise the time after the last value.
 *
 * Cells: three points (before, first, last) of `[there, time, value]`, the parameters, plain sums, exact sums. A text
 * is in `Cells.extras`, by the value's cell. The parameters come along in a state, so that what is merged needs no
 * profile.
 */
export interface SegmentKind {
  readonly name: string;
  /** What the steps depend on besides the values. */
  readonly parameters: readonly number[];
  /** Number of sums that are plain numbers, of whole ones. */
  readonly plain: number;
  /** Number of exact sums. */
  readonly exact: number;
  /** What is kept of a value; all of it unless given. */
  readonly map?: (value: FieldValue) => FieldValue;
  /** Adds what lies between two values. @param sums cells of parameters and sums */
  add(state: Cells, sums: SegmentCells, step: Step): void;
}

/** From a value to the next one in time. */
export interface Step {
  readonly fromMs: number;
  readonly from: FieldValue;
  readonly toMs: number;
  readonly to: FieldValue;
}

export interface Point {
  readonly timeMs: number;
  readonly value: FieldValue;
}

/** First cells, in the order in which they lie. */
export interface SegmentCells {
  readonly parameters: number;
  readonly plain: number;
  readonly exact: number;
}

/** What results are computed from. */
export interface Segment {
  readonly before: Point | undefined;
  readonly first: Point;
  readonly last: Point;
  readonly cells: SegmentCells;
}

const BEFORE = 0;
const FIRST = 3;
const LAST = 6;
const PARAMETERS = 9;

export function segmentAccumulator(kind: SegmentKind): OrderedAccumulator {
  const { name, parameters, plain, exact, map = same } = kind;
  const size = PARAMETERS + parameters.length + plain + EXACT_CELLS * exact;
  const join = (into: Cells, at: number, from: Cells, fromAt: number): void => {
    const isFirst = cellOf(into, at + FIRST) === 0;
    const before = pointAt(from, fromAt + BEFORE);
    if (before !== undefined) begin(into, at, before);
    const first = pointAt(from, fromAt + FIRST);
    if (first === undefined) return;
    if (isFirst) {
      for (let i = 0; i < parameters.length; i++) {
        into.numbers[into.base + at + PARAMETERS + i] = cellOf(from, fromAt + PARAMETERS + i);
      }
    }
    append(kind, into, at, first);
    setPoint(into, at + LAST, pointAt(from, fromAt + LAST)!);
    const [to, of] = [cellsOf(kind, at), cellsOf(kind, fromAt)];
    for (let i = 0; i < plain; i++) into.numbers[into.base + to.plain + i]! += cellOf(from, of.plain + i);
    for (let i = 0; i < exact; i++) {
      const components = exactComponents(from, of.exact + i * EXACT_CELLS);
      for (const component of components) addExact(into, to.exact + i * EXACT_CELLS, component);
    }
  };
  return {
    name,
    kind: JSON.stringify(parameters),
    ordered: true,
    cells: size,
    add(state, at, { timeMs, values }, field) {
      if (cellOf(state, at + FIRST) === 0) {
        for (const [i, parameter] of parameters.entries()) {
          state.numbers[state.base + at + PARAMETERS + i] = parameter;
        }
      }
      append(kind, state, at, { timeMs, value: map(values[field]!) });
    },
    merge: (into, at, from) => join(into, at, from, at),
    precede: (state, at, value, timeMs) => setPoint(state, at + BEFORE, { timeMs, value: map(value) }),
    span(saved) {
      const { firstMs, last } = pointsIn(kind, saved);
      return [firstMs, last.timeMs];
    },
    follow: (state, at, saved) => begin(state, at, pointsIn(kind, saved).last),
    save: (state, at) => save(kind, state, at),
    mergeSaved(into, at, saved) {
      const its = cellsOf(kind, at).parameters;
      if (cellOf(into, at + FIRST) !== 0 && parameters.some((_, i) => cellOf(into, its + i) !== saved[i])) {
        throw new WeirError("unmergeable", `the summaries have a ${name} of different parameters`);
      }
      const state = load(kind, size, saved);
      if (!follows(into, at, pointAt(state, FIRST)!)) {
        throw new WeirError("unmergeable", `the readings do not follow one another, as ${name} needs them`);
      }
      join(into, at, state, 0);
    },
  };
}

function same(value: FieldValue): FieldValue {
  return value;
}

/** @param at where the accumulator lies */
export function segmentAt(kind: SegmentKind, state: Cells, at: number): Segment {
  const [first, last] = [pointAt(state, at + FIRST)!, pointAt(state, at + LAST)!];
  return { before: pointAt(state, at + BEFORE), first, last, cells: cellsOf(kind, at) };
}

function cellsOf({ parameters, plain }: SegmentKind, at: number): SegmentCells {
  const sums = at + PARAMETERS + parameters.length;
  return { parameters: at + PARAMETERS, plain: sums, exact: sums + plain };
}

function append(kind: SegmentKind, state: Cells, at: number, point: Point): void {
  const last = pointAt(state, at + LAST);
  if (last === undefined) setPoint(state, at + FIRST, point);
  else {
    const step = { fromMs: last.timeMs, from: last.value, toMs: point.timeMs, to: point.value };
    kind.add(state, cellsOf(kind, at), step);
  }
  setPoint(state, at + LAST, point);
}

/** Notes what may be the last value before the first one: histories that took turns each know another one. */
function begin(state: Cells, at: number, point: Point): void {
  const first = pointAt(state, at + FIRST);
  const before = pointAt(state, at + BEFORE);
  if (first !== undefined && point.timeMs >= first.timeMs) return;
  if (before === undefined || point.timeMs > before.timeMs) setPoint(state, at + BEFORE, point);
}

/** Whether it may come next. Of the order of several values of one time nothing is known, unless they are equal. */
function follows(state: Cells, at: number, { timeMs, value }: Point): boolean {
  const last = pointAt(state, at + LAST);
  if (last === undefined || last.timeMs < timeMs) return true;
  return last.timeMs === timeMs && last.value === value;
}

function pointAt(state: Cells, at: number): Point | undefined {
  if (cellOf(state, at) === 0) return undefined;
  const text = state.extras?.get(at + 2) as string | undefined;
  return { timeMs: cellOf(state, at + 1), value: text ?? cellOf(state, at + 2) };
}

function setPoint(state: Cells, at: number, { timeMs, value }: Point): void {
  const cell = state.base + at;
  state.numbers[cell] = 1;
  state.numbers[cell + 1] = timeMs;
  if (typeof value === "number") state.numbers[cell + 2] = value;
  else setExtra(state, at + 2, value);
}

/** `[parameters…, 1 or 0 for no value before, its time, it, first time, first, last time, last, sums…]` */
function save(kind: SegmentKind, state: Cells, at: number): AccumulatorState {
  const { before, first, last, cells } = segmentAt(kind, state, at);
  const count = kind.parameters.length;
  return [
    ...Array.from({ length: count }, (_, i) => cellOf(state, cells.parameters + i)),
    ...(before === undefined ? [0, 0, 0] : [1, before.timeMs, before.value]),
    ...[first.timeMs, first.value, last.timeMs, last.value],
    ...Array.from({ length: kind.plain }, (_, i) => cellOf(state, cells.plain + i)),
    ...saveExacts(state, cells.exact, kind.exact),
  ];
}

function pointsIn({ parameters }: SegmentKind, saved: AccumulatorState): { firstMs: number; last: Point } {
  const [firstMs, , lastMs, last] = saved.slice(parameters.length + 3);
  return { firstMs: firstMs as number, last: { timeMs: lastMs as number, value: last! } };
}

function load(kind: SegmentKind, size: number, saved: AccumulatorState): Cells {
  const state = newCells(size);
  const cells = cellsOf(kind, 0);
  const count = kind.parameters.length;
  state.numbers.set(saved.slice(0, count) as number[], cells.parameters);
  const [has, beforeMs, before, firstMs, first, lastMs, last] = saved.slice(count);
  if (has === 1) setPoint(state, BEFORE, { timeMs: beforeMs as number, value: before! });
  setPoint(state, FIRST, { timeMs: firstMs as number, value: first! });
  setPoint(state, LAST, { timeMs: lastMs as number, value: last! });
  const sums = count + 7;
  state.numbers.set(saved.slice(sums, sums + kind.plain) as number[], cells.plain);
  mergeSavedExacts(state, cells.exact, saved.slice(sums + kind.plain));
  return state;
}
