import type { AccumulatedField, Aggregate, Inputs } from "./aggregate.js";
import { finite } from "./aggregate.js";
import { cellOf, type OrderedAccumulator } from "./cells.js";
import { countAccumulator } from "./count.js";
import { addExact, EXACT_CELLS, exactComponents } from "./exact-sum.js";
import { addProduct, divideExpansion, growExpansion, roundExpansion } from "./expansion.js";
import { type Segment, type SegmentKind, segmentAccumulator, segmentAt } from "./segment.js";
import { perSecondUnit } from "./time-units.js";

/**
 * What changed, from the last value before a window to the last one in it: so the changes of windows that follow one
 * another add up to the change over all of them. Without a value before the window it begins at its first one.
 *
 * A counter goes up. Where a value is less than the one before it, by more than half of `rollover`, it has rolled over,
 * and rollover is added to the difference; any other fall is a reset, and the value since then counts from 0. Half is
 * where both are equally far: a counter polled often enough to know its roll-overs moves less than that in between.
 *
 * Parameters: 1 for a counter, its `rollover` or 0, `maxGap` in milliseconds or 0 for no end. Sums: milliseconds of the
 * steps no longer than `maxGap`; the change over all steps, and where there is a `maxGap` that over these.
 */
function changeKind(counter: AccumulatedField["counter"], maxGapMs = 0): SegmentKind {
  return {
    name: CHANGE,
    parameters: [counter === undefined ? 0 : 1, counter?.rollover ?? 0, maxGapMs],
    plain: 1,
    exact: 2,
    add(state, sums, { fromMs, from, toMs, to }) {
      const rule = { cells: state, at: sums.parameters };
      const gapMs = Math.max(0, toMs - fromMs);
      const maxMs = cellOf(state, sums.parameters + MAX_GAP);
      const terms = termsOf(rule, from as number, to as number);
      for (const term of terms) addExact(state, sums.exact, term);
      if (maxMs > 0 && gapMs > maxMs) return;
      state.numbers[state.base + sums.plain]! += gapMs;
      if (maxMs > 0) for (const term of terms) addExact(state, sums.exact + EXACT_CELLS, term);
    },
  };
}

const CHANGE = "change";
const IS_COUNTER = 0;
const ROLLOVER = 1;
const MAX_GAP = 2;

const ANY = changeKind(undefined);

function changeAccumulator({ counter, maxGapMs }: AccumulatedField): OrderedAccumulator {
  return segmentAccumulator(changeKind(counter, maxGapMs));
}

/** The change from one value to the next: the sum of these is exact. */
function termsOf(
  { cells, at }: { readonly cells: Inputs["cells"]; readonly at: number },
  from: number,
  to: number,
): readonly number[] {
  if (cellOf(cells, at + IS_COUNTER) === 0 || to >= from) return [to, -from];
  const rollover = cellOf(cells, at + ROLLOVER);
  if (rollover > 0 && from - to > rollover / 2) return [rollover, to, -from];
  return [Math.max(0, to)];
}

interface Change {
  readonly cells: Inputs["cells"];
  readonly segment: Segment;
  /** Over all steps. */
  readonly all: number[];
  /** Over the steps that are no longer than `maxGap`, and how long these are. */
  readonly short: number[];
  shortMs: number;
}

/** Undefined where there is nothing to compare with: one value, and none before it. */
function changeOf({ cells, at }: Inputs): Change | undefined {
  const segment = segmentAt(ANY, cells, at[CHANGE]!);
  const { before, first, cells: sums } = segment;
  if (before === undefined && cellOf(cells, at.count!) === 1) return undefined;
  const maxMs = cellOf(cells, sums.parameters + MAX_GAP) || Number.POSITIVE_INFINITY;
  const all = exactComponents(cells, sums.exact).slice();
  const short = maxMs < Number.POSITIVE_INFINITY ? exactComponents(cells, sums.exact + EXACT_CELLS) : all;
  const change = { cells, segment, all, short: short.slice(), shortMs: cellOf(cells, sums.plain) };
  if (before === undefined) return change;
  const terms = termsOf({ cells, at: sums.parameters }, before.value as number, first.value as number);
  const gapMs = first.timeMs - before.timeMs;
  for (const term of terms) {
    growExpansion(change.all, term);
    if (gapMs <= maxMs) growExpansion(change.short, term);
  }
  if (gapMs <= maxMs) change.shortMs += gapMs;
  return change;
}

function delta(inputs: Inputs): number | null {
  const change = changeOf(inputs);
  if (change === undefined) return null;
  const { before, first, last } = change.segment;
  return finite((last.value as number) - ((before ?? first).value as number));
}

function increase(inputs: Inputs): number | null {
  const change = changeOf(inputs);
  return change === undefined ? null : finite(roundExpansion(change.all));
}

function rate(inputs: Inputs): number | null {
  const { short, shortMs = 0 } = changeOf(inputs) ?? {};
  if (short === undefined || shortMs === 0) return null;
  const perSecond: number[] = [];
  addProduct(perSecond, short, [1_000], 1);
  return finite(divideExpansion(perSecond, shortMs));
}

const needs = (field: AccumulatedField) => [countAccumulator, changeAccumulator(field)];

export const changeAggregates: readonly Aggregate[] = [
  {
    name: "delta",
    description:
      "Last value - last value before the window, or the first one where there is none before: deltas of windows that follow one another add up. null for one value and none before it. Unit of the field. Exact, rounded once. OPC UA Delta (Part 13) is from the first value in the window, DeltaBounds between values interpolated at its bounds.",
    fields: "numbers",
    ofNothing: 0,
    needs,
    result: delta,
  },
  {
    name: "increase",
    description:
      "Σ of what a counter has counted from value to value, from the last one before the window on; for `kind: counter`. Where a value is less than the one before it: by more than `rollover / 2`, rollover is added to the difference; else the counter was reset, and the value counts from 0. null for one value and none before it. Unit of the field. Exact, rounded once.",
    fields: "numbers",
    requires: "counter",
    ofNothing: 0,
    needs,
    result: increase,
  },
  {
    name: "rate",
    description:
      "delta, of a counter increase, per second of the time between the values that it is from; steps from value to value longer than the field's `maxGap` are left out of both. null where there is no such time. Unit of the field per second, as `units` says. Exact, rounded once.",
    fields: "numbers",
    unit: perSecondUnit,
    needs,
    result: rate,
  },
];
