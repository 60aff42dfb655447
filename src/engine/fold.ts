import { type Cells, cellOf, newCells, type Sample } from "../aggregate/cells.js";
import { type FieldValue, isMissing } from "../model/reading.js";
import type { Run } from "./fold-kinds.js";
import { addOrdered, type Bound, precede } from "./ordered.js";
import { ACCEPTED_CELL, type FoldPlan, mergeCells, type Plan } from "./plan.js";
import { readRows } from "./rows.js";
import type { TimeLine } from "./slice.js";

/**
 * Windows whose bounds follow from the readings: sessions, counts, states, sliding ones.
 *
 * A machine goes over the readings of a device in the order of event time and says which windows have ended. Two of them
 * run over the same readings. One goes as far as no reading can come any more, `allowedLateness` behind the watermark:
 * what it says is final, and its past can be forgotten. The other goes on from there to the watermark: what it says is
 * on time, and may be said again with a higher revision, or be taken back, when a late reading makes it start anew from
 * where the first one stands. Without lateness there is only the first.
 *
 * Readings of the same time come in the order of their hashes: some order that is always the same.
 */
export interface Fold {
  readonly plan: FoldPlan;
  /** The device's when it began: it has nothing of readings of earlier ones. */
  readonly epoch: number;
  readonly settled: Position;
  /** As far as the watermark; undefined when it has to start anew. */
  ahead: Position | undefined;
  /** What `ahead` has said, and what it has taken back, by start and `nth`. */
  told: Told[];
  /** Since a late reading has come `ahead` goes over what it has said once more, up to here; undefined where it does not. */
  againMs: number | undefined;
}

/** How far a machine has come, and what it holds. */
export interface Position {
  /** Every reading before this time has been seen. */
  throughMs: number;
  run: Run | undefined;
  /** Start of the window that began last, and how many before it began at the same time. */
  lastStartMs: number;
  nth: number;
  /** By `Plan.ordered`, the last value seen; of sliding windows the last one that is behind all that will come. */
  bounds: (Bound | undefined)[];
  /** Of sliding windows: readings before this time are in `bounds`. */
  boundsMs: number;
}

/** A window that has fired and is not final. */
export interface Told {
  readonly startMs: number;
  readonly nth: number;
  /** See `OpenWindow.part`. */
  readonly part: number;
  /** Event time that ended it: behind it, by the lateness, it is final. */
  readonly endedMs: number;
  readonly revision: number;
  /** Of what it said; undefined when it was taken back. */
  readonly digest: number | undefined;
  /** Whether `ahead` has not found it again yet, which goes over it once more. */
  readonly again: boolean;
}

/** What tells a window of a fold from the others. */
export type Which = Pick<Told, "startMs" | "nth">;

/** The order of windows by start, and of those of one start as they began. */
export function inOrder(a: Which, b: Which): number {
  return a.startMs - b.startMs || a.nth - b.nth;
}

export function isSame(a: Which, b: Which): boolean {
  return inOrder(a, b) === 0;
}

/** Where the machine stands that has gone furthest. */
export function standing({ ahead, settled }: Fold): Position {
  return ahead ?? settled;
}

/** Whether a window that has fired has not ended: it was said early, or lasts longer than was known. */
export function isOpen(fold: Fold, which: Which): boolean {
  const { run } = standing(fold);
  return run !== undefined && isSame(run, which);
}

/** A window that has ended. */
export interface Ended {
  readonly startMs: number;
  readonly nth: number;
  /** See `SummaryWindow.end`. */
  readonly endMs: number;
  readonly endedMs: number;
  readonly key: FieldValue | undefined;
  readonly cells: Cells;
}

export function newFold(plan: FoldPlan, epoch: number): Fold {
  return { plan, epoch, settled: newPosition(), ahead: undefined, told: [], againMs: undefined };
}

function newPosition(): Position {
  return {
    throughMs: Number.NEGATIVE_INFINITY,
    run: undefined,
    lastStartMs: Number.NEGATIVE_INFINITY,
    nth: 0,
    bounds: [],
    boundsMs: Number.NEGATIVE_INFINITY,
  };
}

/** A copy that goes on by itself. */
export function branch(plan: Plan, at: Position): Position {
  const copy = { ...at, bounds: at.bounds.slice() };
  if (at.run === undefined) return copy;
  const cells = newCells(plan.cellCount);
  mergeCells(plan, cells, at.run.cells);
  return { ...copy, run: { ...at.run, cells } };
}

/** How far a machine is to go. */
interface Target {
  readonly toMs: number;
  /** Whether it may stop before that, between two readings of different times. */
  readonly isEnough?: () => boolean;
}

/** Goes on to a time, or to where it is enough. @param ended called with every window that has ended by then, in order */
export function foldTo(
  on: Folding,
  { toMs, isEnough = () => false }: Target,
  ended: (window: Ended) => void,
): void {
  const { plan, device, fold, at } = on;
  if (toMs <= at.throughMs) return;
  const { kind, definition } = fold.plan;
  const from = { epoch: fold.epoch, fromMs: at.throughMs, toMs };
  let lastMs = Number.NEGATIVE_INFINITY;
  const goesOn = (timeMs: number) => timeMs === lastMs || !isEnough();
  if (definition.kind.type === "sliding") {
    const { emit, sizeMs } = definition.kind;
    at.throughMs = readRows(plan, device, from, (timeMs, values) => {
      if (!goesOn(timeMs)) return false;
      lastMs = timeMs;
      if (emit(values)) ended(slide(on, begun(at, timeMs), timeMs, sizeMs));
      return true;
    });
    // No later window reaches further back, and what is behind them may be let go.
    if (at.throughMs < Number.POSITIVE_INFINITY) bindThrough(on, at.throughMs - sizeMs + 1);
    return;
  }
  at.throughMs = readRows(plan, device, from, (timeMs, values) => {
    if (!goesOn(timeMs)) return false;
    lastMs = timeMs;
    let run = at.run;
    if (run !== undefined) {
      const dueMs = kind.dueMs(run);
      if (dueMs <= timeMs) run = end(at, dueMs, dueMs, ended);
      else if (kind.breaks(run, values)) run = end(at, timeMs, timeMs, ended);
    }
    if (run === undefined) {
      const cells = newCells(plan.cellCount);
      precede(plan, cells, (index) => at.bounds[index]);
      const [nth, key] = [begun(at, timeMs), kind.key(values)];
      run = { startMs: timeMs, nth, lastMs: timeMs, count: 0, key, cells };
      at.run = run;
    }
    gather(plan, run.cells, { timeMs, values });
    note(plan, at.bounds, timeMs, values);
    run.lastMs = timeMs;
    run.count++;
    if (kind.completes(run)) end(at, timeMs, timeMs, ended);
    return true;
  });
  if (at.run === undefined || at.throughMs < toMs) return;
  const dueMs = kind.dueMs(at.run);
  if (dueMs <= toMs && dueMs < Number.POSITIVE_INFINITY) end(at, dueMs, dueMs, ended);
}

/** Ends the window that is open, whatever its kind. */
export function end(at: Position, endMs: number, endedMs: number, ended: (window: Ended) => void): undefined {
  const { startMs, nth, key, cells } = at.run!;
  at.run = undefined;
  ended({ startMs, nth, endMs, endedMs, key, cells });
  return undefined;
}

/** Notes that a window begins. @returns how many did so at the same time */
function begun(at: Position, startMs: number): number {
  at.nth = at.lastStartMs === startMs ? at.nth + 1 : 0;
  at.lastStartMs = startMs;
  return at.nth;
}

interface Folding {
  readonly plan: Plan;
  readonly device: TimeLine;
  readonly fold: Fold;
  readonly at: Position;
}

function slide({ plan, device, fold, at }: Folding, nth: number, timeMs: number, sizeMs: number): Ended {
  const cells = newCells(plan.cellCount);
  // Behind the start, and with the end.
  const bounds = { epoch: fold.epoch, fromMs: timeMs - sizeMs + 1, toMs: timeMs + 1 };
  bindThrough({ plan, device, fold, at }, bounds.fromMs);
  precede(plan, cells, (index) => at.bounds[index]);
  readRows(plan, device, bounds, (rowMs, values) => {
    gather(plan, cells, { timeMs: rowMs, values });
    return true;
  });
  return { startMs: timeMs - sizeMs, nth, endMs: timeMs, endedMs: timeMs, key: undefined, cells };
}

function gather(plan: Plan, cells: Cells, reading: Sample): void {
  cells.numbers[cells.base + ACCEPTED_CELL] = cellOf(cells, ACCEPTED_CELL) + 1;
  for (const index of plan.slices.kept) {
    if (isMissing(reading.values[index]!)) continue;
    for (const { accumulator, at } of plan.fields[index]!.slots) {
      accumulator.add(cells, at, reading, index);
    }
  }
  addOrdered(plan, cells, reading);
}

function note(
  { ordered }: Plan,
  bounds: Position["bounds"],
  timeMs: number,
  values: readonly FieldValue[],
): void {
  for (const [index, { field }] of ordered.entries()) {
    const value = values[field]!;
    if (!isMissing(value)) bounds[index] = { timeMs, hash: 0, value };
  }
}

/** Takes the last values before a time into the bounds. */
function bindThrough({ plan, device, fold, at }: Folding, toMs: number): void {
  if (plan.ordered.length === 0 || toMs <= at.boundsMs) return;
  const rows = { epoch: fold.epoch, fromMs: at.boundsMs, toMs };
  readRows(plan, device, rows, (timeMs, values) => {
    note(plan, at.bounds, timeMs, values);
    return true;
  });
  at.boundsMs = toMs;
}
