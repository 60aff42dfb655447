import { WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import type { AccumulatorState } from "../model/partials.js";
import { isMissing } from "../model/reading.js";
import type { SummaryValue } from "../model/summary.js";
import type { Aggregate, Inputs } from "./aggregate.js";
import {
  type Accumulator,
  BATCH_MAX,
  type Cells,
  type Column,
  cellOf,
  newCells,
  type Sample,
  setExtra,
} from "./cells.js";
import { countAccumulator } from "./count.js";
import {
  FINEST_SCALE,
  halved,
  linearIndex,
  linearRepresentative,
  logIndex,
  logRepresentative,
} from "./dyadic.js";
import { savedCount, savedNumber } from "./saved-numbers.js";

/**
 * Counts by bucket, for quantiles. Where a field has a resolution its buckets are whole numbers of such steps, else
 * they are logarithmic (dyadic.ts). All are of the finest resolution until the lowest and the highest value of a sign are
 * more than `LIMITS.histogramBucketsMax` buckets apart (of both signs together twice as many, where they are linear);
 * then the resolution is halved as often as it takes. Because the number of halvings follows from the lowest and the
 * highest value, and a joined bucket counts what its two halves did, the state is a function of the set of values.
 *
 * Cells: `[halvings, step, zeros, positive, negative]`. `step` is 0 for logarithmic buckets. `positive` and `negative`
 * are the index of the first bucket, and the counts from the first that is not empty to the last are beside them;
 * linear buckets of either sign are in `positive`, zero among them.
 */
const HALVINGS = 0;
const STEP = 1;
const ZEROS = 2;
const POSITIVE = 3;
const NEGATIVE = 4;
const CELLS = 5;

type Side = typeof POSITIVE | typeof NEGATIVE;

/** @param step undefined for logarithmic buckets */
export function histogramAccumulator(step: number | undefined): Accumulator {
  return {
    name: "histogram",
    kind: step === undefined ? "log" : `linear ${step}`,
    cells: CELLS,
    add:
      step === undefined
        ? addLog
        : (state, at, { values }, field) => {
            state.numbers[state.base + at + STEP] = step;
            addOne(state, at, POSITIVE, linearIndex(values[field] as number, step));
          },
    addAll: (state, at, column) => addAll(state, at, step ?? 0, column),
    merge: mergeHistogram,
    save: saveHistogram,
    mergeSaved: mergeSavedHistogram,
  };
}

function addLog(state: Cells, at: number, reading: Sample, field: number): void {
  const value = reading.values[field] as number;
  if (value === 0) state.numbers[state.base + at + ZEROS]!++;
  else if (value > 0) addOne(state, at, POSITIVE, logIndex(value));
  else addOne(state, at, NEGATIVE, logIndex(-value));
}

/** @param index at the finest resolution */
function addOne(state: Cells, at: number, side: Side, index: number): void {
  const { numbers } = state;
  const first = state.base + at;
  const here = halved(index, numbers[first + HALVINGS]!);
  const room = roomFor(state, at, side, here, here);
  room[halved(index, numbers[first + HALVINGS]!) - numbers[first + side]!]!++;
}

const indices: Readonly<Record<Side, Float64Array>> = {
  [POSITIVE]: new Float64Array(BATCH_MAX),
  [NEGATIVE]: new Float64Array(BATCH_MAX),
};

/** @param step 0 for logarithmic buckets */
function addAll(state: Cells, at: number, step: number, { numbers, first, stride, count }: Column): void {
  const above = indices[POSITIVE];
  const below = indices[NEGATIVE];
  let aboves = 0;
  let belows = 0;
  let zeros = 0;
  for (let i = 0; i < count; i++) {
    const value = numbers[first + i * stride]!;
    if (isMissing(value)) continue;
    if (step !== 0) above[aboves++] = linearIndex(value, step);
    else if (value > 0) above[aboves++] = logIndex(value);
    else if (value < 0) below[belows++] = logIndex(-value);
    else zeros++;
  }
  // As of a field without values it says nothing of its step.
  if (aboves > 0) state.numbers[state.base + at + STEP] = step;
  state.numbers[state.base + at + ZEROS]! += zeros;
  if (aboves > 0) addIndices(state, at, POSITIVE, aboves);
  if (belows > 0) addIndices(state, at, NEGATIVE, belows);
}

/** Counts the first of `indices`, which are at the finest resolution. */
function addIndices(state: Cells, at: number, side: Side, count: number): void {
  const of = indices[side];
  let low = of[0]!;
  let high = low;
  for (let i = 1; i < count; i++) {
    const index = of[i]!;
    if (index < low) low = index;
    if (index > high) high = index;
  }
  const halvingsAt = state.base + at + HALVINGS;
  const before = state.numbers[halvingsAt]!;
  const room = roomFor(state, at, side, halved(low, before), halved(high, before));
  const start = state.numbers[state.base + at + side]!;
  const halvings = state.numbers[halvingsAt]!;
  for (let i = 0; i < count; i++) room[halved(of[i]!, halvings) - start]!++;
}

function countsOf(state: Cells, at: number, side: Side): number[] | undefined {
  return state.extras?.get(at + side) as number[] | undefined;
}

/**
 * Makes room for buckets from `low` to `high`, of the resolution that there is; halves it first where they would be too
 * many. The lowest and the highest bucket must be going to be filled.
 * @returns the counts, from the bucket that the side's cell now says
 */
function reserve(state: Cells, at: number, side: Side, low: number, high: number): number[] {
  const cell = state.base + at + side;
  const before = countsOf(state, at, side);
  const linear = state.numbers[state.base + at + STEP] !== 0;
  const most = linear ? 2 * LIMITS.histogramBucketsMax : LIMITS.histogramBucketsMax;
  const start = state.numbers[cell]!;
  let from = before === undefined ? low : Math.min(low, start);
  let to = before === undefined ? high : Math.max(high, start + before.length - 1);
  let times = 0;
  for (; to - from + 1 > most; times++) {
    from = Math.floor(from / 2);
    to = Math.floor(to / 2);
  }
  if (times > 0) halve(state, at, times);
  const length = to - from + 1;
  const kept = before?.length ?? 0;
  // A copy has just the room that is needed, and no holes for all that the engine's machine code knows.
  const counts = before ?? NONE_YET.slice(0, length);
  while (counts.length < length) counts.push(0);
  const ahead = kept === 0 ? 0 : state.numbers[cell]! - from;
  if (ahead > 0) {
    for (let i = kept - 1; i >= 0; i--) counts[i + ahead] = counts[i]!;
    counts.fill(0, 0, ahead);
  }
  state.numbers[cell] = from;
  if (before === undefined) setExtra(state, at + side, counts);
  return counts;
}

const NONE_YET = Array.from({ length: 2 * LIMITS.histogramBucketsMax }, () => 0);

/** Halves the resolution so often. */
function halve(state: Cells, at: number, times: number): void {
  state.numbers[state.base + at + HALVINGS]! += times;
  for (const side of [POSITIVE, NEGATIVE] as const) {
    const counts = countsOf(state, at, side);
    if (counts === undefined) continue;
    const start = state.numbers[state.base + at + side]!;
    const from = halved(start, times);
    const length = halved(start + counts.length - 1, times) - from + 1;
    for (let i = 1; i < counts.length; i++) {
      const count = counts[i]!;
      // An index that no double has is that of an empty bucket.
      if (count === 0) continue;
      counts[i] = 0;
      counts[halved(start + i, times) - from]! += count;
    }
    while (counts.length > length) counts.pop();
    state.numbers[state.base + at + side] = from;
  }
}

function mergeHistogram(into: Cells, at: number, from: Cells): void {
  const first = into.base + at;
  const halvings = cellOf(from, at + HALVINGS);
  if (cellOf(from, at + STEP) !== 0) into.numbers[first + STEP] = cellOf(from, at + STEP);
  if (halvings > into.numbers[first + HALVINGS]!) {
    halve(into, at, halvings - into.numbers[first + HALVINGS]!);
  }
  into.numbers[first + ZEROS]! += cellOf(from, at + ZEROS);
  for (const side of [POSITIVE, NEGATIVE] as const) {
    const counts = countsOf(from, at, side);
    if (counts === undefined) continue;
    const start = cellOf(from, at + side);
    const times = () => into.numbers[first + HALVINGS]! - halvings;
    const low = halved(start, times());
    const high = halved(start + counts.length - 1, times());
    const room = roomFor(into, at, side, low, high);
    const begin = into.numbers[first + side]!;
    const shift = times();
    for (let i = 0; i < counts.length; i++) {
      if (counts[i] !== 0) room[halved(start + i, shift) - begin]! += counts[i]!;
    }
  }
}

/** The same, where mostly there is room already. */
function roomFor(state: Cells, at: number, side: Side, low: number, high: number): number[] {
  const counts = countsOf(state, at, side);
  const start = cellOf(state, at + side);
  const isRoom = counts !== undefined && low >= start && high < start + counts.length;
  return isRoom ? counts : reserve(state, at, side, low, high);
}

/** Step, halvings, zeros, then of either sign the first bucket, the number of buckets, and the counts. */
function saveHistogram(state: Cells, at: number): AccumulatorState {
  const sides = ([POSITIVE, NEGATIVE] as const).map((side) => {
    const counts = countsOf(state, at, side) ?? [];
    return [counts.length === 0 ? 0 : cellOf(state, at + side), counts.length, ...counts];
  });
  return [cellOf(state, at + STEP), cellOf(state, at + HALVINGS), cellOf(state, at + ZEROS), ...sides.flat()];
}

function mergeSavedHistogram(into: Cells, at: number, saved: AccumulatorState): void {
  const [step, halvings, zeros] = [savedNumber(saved[0]), savedCount(saved[1]), savedCount(saved[2])];
  const empty = into.extras?.has(at + POSITIVE) !== true && into.extras?.has(at + NEGATIVE) !== true;
  if (!empty && cellOf(into, at + STEP) !== step) {
    throw new WeirError("unmergeable", "the histograms have buckets of different kinds");
  }
  const from = newCells(at + CELLS);
  from.numbers.set([halvings, step, zeros], at);
  let next = 3;
  for (const side of [POSITIVE, NEGATIVE] as const) {
    // Rounded, what is no index does not come back the same.
    from.numbers[at + side] = Math.floor(savedNumber(saved[next++]));
    const length = savedCount(saved[next++]);
    const counts = saved.slice(next, next + length).map((count) => savedCount(count));
    if (counts.length > 0) setExtra(from, at + side, counts);
    next += length;
  }
  mergeHistogram(into, at, from);
}

/**
 * The value of a rank, from 1 for the smallest: the representative of its bucket.
 * @param at of the histogram
 */
export function valueOfRank(cells: Cells, at: number, rank: number): number {
  const halvings = cellOf(cells, at + HALVINGS);
  const step = cellOf(cells, at + STEP);
  let left = rank;
  const negative = countsOf(cells, at, NEGATIVE) ?? [];
  for (let i = negative.length - 1; i >= 0; i--) {
    left -= negative[i]!;
    if (left <= 0) return -logRepresentative(cellOf(cells, at + NEGATIVE) + i, halvings);
  }
  left -= cellOf(cells, at + ZEROS);
  if (left <= 0) return 0;
  const positive = countsOf(cells, at, POSITIVE) ?? [];
  let i = 0;
  for (; i < positive.length - 1; i++) {
    left -= positive[i]!;
    if (left <= 0) break;
  }
  const index = cellOf(cells, at + POSITIVE) + i;
  return step === 0 ? logRepresentative(index, halvings) : linearRepresentative(index, halvings, step);
}

export const histogramAggregates: readonly Aggregate[] = [
  {
    name: "histogram",
    description:
      "Counts by bucket. With base b = 2^(2^-`scale`), `positive` has from index `offset` on the `counts` of values above b^i up to b^(i+1), `negative` those of their magnitudes, `zeroCount` the zeros: the exponential histogram of the OpenTelemetry metrics data model, of scale 12 at most, 160 buckets of a sign at most. A Prometheus native histogram has the same buckets one index higher, and a schema, its scale, of 8 at most: for that, join 2^k buckets whose index divided by 2^k, rounded down, is equal. For a field with `resolution`, the `quantum`, item i counts the values that are, rounded, from (`offset` + i) `width` quanta to less than `width` more; 320 at most. Scale and width follow from the smallest and the largest value. Counts are exact.",
    fields: "numbers",
    gives: "mapping",
    needs: ({ resolution }) => [countAccumulator, histogramAccumulator(resolution)],
    result: histogram,
  },
];

function histogram({ cells, at }: Inputs): SummaryValue {
  const first = at.histogram!;
  const halvings = cellOf(cells, first + HALVINGS);
  const quantum = cellOf(cells, first + STEP);
  const side = (which: Side) => {
    const counts = countsOf(cells, first, which) ?? [];
    return { offset: counts.length === 0 ? 0 : cellOf(cells, first + which), counts: counts.slice() };
  };
  if (quantum !== 0) return { quantum, width: 2 ** halvings, ...side(POSITIVE) };
  const zeroCount = cellOf(cells, first + ZEROS);
  return { scale: FINEST_SCALE - halvings, zeroCount, positive: side(POSITIVE), negative: side(NEGATIVE) };
}
