import type { Device, OpenWindow } from "./device.js";
import type { Passing } from "./passing.js";
import type { BoundedPlan, FoldPlan, Plan } from "./plan.js";
import { partOf } from "./redefinition.js";
import type { Slice } from "./slice.js";
import { FOLDED_TIMES } from "./window-times.js";

/**
 * Finds or cuts the slice for an event time. A slice begins at the latest and ends at the earliest edge of any
 * window around it, so it lies wholly inside or wholly outside every window.
 */

/** What of a reading decides where it goes. */
type Moment = Pick<Passing, "timeMs" | "watermarkMs">;

/**
 * The slice for a reading, ready to be changed, made with its windows if need be; undefined when every window of its
 * time is final.
 */
export function assign(device: Device, plan: Plan, reading: Moment): Slice | undefined {
  const slice = findSlice(device.slices, reading) ?? cut(device, plan, reading);
  if (slice !== undefined) plan.slices.change(slice);
  return slice;
}

function cut(device: Device, plan: Plan, { timeMs, watermarkMs }: Moment): Slice | undefined {
  let startMs = Number.NEGATIVE_INFINITY;
  let endMs = Number.POSITIVE_INFINITY;
  for (const window of plan.windows) {
    startMs = Math.max(startMs, window.times.edgeBefore(timeMs));
    endMs = Math.min(endMs, window.times.edgeAfter(timeMs));
  }
  if (plan.windows.every(({ isGlobal }) => isGlobal)) {
    startMs = Math.max(startMs, FOLDED_TIMES.edgeBefore(timeMs));
    endMs = Math.min(endMs, FOLDED_TIMES.edgeAfter(timeMs));
  }
  const dueMs = dueFrom(plan, timeMs, endMs);
  if (dueMs <= watermarkMs) return undefined;
  const { epoch } = device;
  const slice = plan.slices.make({ owner: device, id: device.nextSliceId++, startMs, endMs, epoch, dueMs });
  device.reshaped = true;
  const { slices } = device;
  const before = slices[slices.length - 1];
  // What opened windows after a clock was ahead, or under another definition, may be among the retired only.
  const isNewest = before !== undefined && before.startMs < startMs && device.retired.length === 0;
  for (const window of plan.windows) openWindows(device, window, { timeMs, watermarkMs, isNewest });
  device.nextDueMs = Math.min(device.nextDueMs, dueMs);
  // What is beside its cells has been left for the end of the block.
  if (before !== undefined) plan.slices.measure(before);
  insertByStart(slices, slice);
  // It will hold about as many.
  if (isNewest) plan.slices.reserve(slice, before.held);
  return slice;
}

/** Watermark from which nothing asks for a slice any more. @param timeMs in it, at its end where windows may cut it */
export function dueFrom(plan: Plan, timeMs: number, endMs: number): number {
  let dueMs = Number.NEGATIVE_INFINITY;
  for (const window of plan.windows) dueMs = Math.max(dueMs, lateForAllFrom(window, timeMs));
  for (const fold of plan.folds) {
    dueMs = Math.max(dueMs, lateForFold(fold, endMs - 1) + fold.kind.reachMs);
  }
  return dueMs;
}

/** Watermark from which a reading is too late for the machine of a fold. */
export function lateForFold({ definition }: FoldPlan, timeMs: number): number {
  return timeMs + definition.allowedLatenessMs + 1;
}

/** For how many of its windows a reading is too late. */
export type Lateness = "none" | "some" | "all";

export function lateness(plan: Plan, { timeMs, watermarkMs }: Moment): Lateness {
  let late = 0;
  let live = 0;
  for (const window of plan.windows) {
    // A global window is as long as anything else is: it takes what any other window takes.
    if (!window.isGlobal && lateFrom(window, timeMs) <= watermarkMs) late++;
    if (lateForAllFrom(window, timeMs) > watermarkMs) live++;
  }
  for (const fold of plan.folds) {
    if (lateForFold(fold, timeMs) <= watermarkMs) late++;
    else live++;
  }
  return live === 0 ? "all" : late > 0 ? "some" : "none";
}

/** Watermark from which a reading is too late for a window around it, that is not global. */
function lateFrom({ times, definition }: BoundedPlan, timeMs: number): number {
  return times.end(times.first(timeMs)) + definition.allowedLatenessMs;
}

/** And from which it is for every one of this definition. */
function lateForAllFrom({ isGlobal, times, definition }: BoundedPlan, timeMs: number): number {
  const endMs = isGlobal ? times.edgeAfter(timeMs) : times.end(times.last(timeMs));
  return endMs + definition.allowedLatenessMs;
}

function findSlice(slices: readonly Slice[], reading: Moment): Slice | undefined {
  const { timeMs } = reading;
  // In order the newest slice is the one.
  const newest = slices[slices.length - 1];
  if (newest === undefined) return undefined;
  if (timeMs >= newest.startMs) return timeMs < newest.endMs ? newest : undefined;
  return binarySearch(slices, reading);
}

function binarySearch(slices: readonly Slice[], { timeMs }: Moment): Slice | undefined {
  let low = 0;
  let high = slices.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (slices[middle]!.startMs <= timeMs) low = middle + 1;
    else high = middle;
  }
  const slice = slices[low - 1];
  return slice !== undefined && timeMs < slice.endMs ? slice : undefined;
}

/**
 * Opens the windows of a definition around `timeMs` that are not final and not open yet.
 * @param isNewest whether no slice is as late, so that of its windows those up to the newest one have been open
 */
function openWindows(
  device: Device,
  plan: BoundedPlan,
  { timeMs, watermarkMs, isNewest }: Moment & { readonly isNewest: boolean },
): void {
  const { times, definition, isGlobal } = plan;
  const windows = device.open[plan.index]!;
  const newest = windows[windows.length - 1];
  let from = times.first(timeMs);
  let at = windows.length;
  if (isNewest && newest !== undefined && newest.startMs >= from) from = times.next(newest.startMs);
  else while (at > 0 && windows[at - 1]!.startMs >= from) at--;
  const last = times.last(timeMs);
  for (let startMs = from; startMs <= last; startMs = times.next(startMs)) {
    while (at < windows.length && windows[at]!.startMs < startMs) at++;
    if (at < windows.length && windows[at]!.startMs === startMs) continue;
    const endMs = times.end(startMs);
    if (!isGlobal && endMs + definition.allowedLatenessMs <= watermarkMs) continue;
    const window = newWindow(device, plan, startMs, endMs);
    if (at === windows.length) windows.push(window);
    else windows.splice(at, 0, window);
    device.nextDueMs = Math.min(device.nextDueMs, endMs);
  }
}

function newWindow(device: Device, plan: BoundedPlan, startMs: number, endMs: number): OpenWindow {
  return {
    plan,
    startMs,
    endMs,
    part: partOf(device, plan.definition.name, startMs),
    revision: 0,
    early: 0,
    saidReceived: 0,
    queued: false,
    epoch: device.epoch,
    sealed: undefined,
  };
}

function insertByStart(list: Slice[], item: Slice): void {
  let at = list.length;
  while (at > 0 && list[at - 1]!.startMs > item.startMs) at--;
  if (at === list.length) list.push(item);
  else list.splice(at, 0, item);
}
