import type { Device, OpenWindow } from "./device.js";
import type { Plan, WindowPlan } from "./plan.js";
import { partAfter } from "./redefinition.js";
import type { Slice } from "./slice.js";

/**
 * Finds or cuts the slice for an event time. A slice begins at the latest and ends at the earliest edge of any
 * window around it, so it lies wholly inside or wholly outside every window.
 */

/** A global window has no edges; its slices are cut by the hour so that they can be let go behind the lateness. */
const GLOBAL_SLICE_MS = 3_600_000;

export interface Assigned {
  readonly slice: Slice | undefined;
  /** True when at least one window of this time is final already. */
  readonly partlyLate: boolean;
}

const LATE: Assigned = { slice: undefined, partlyLate: true };

/** The slice for `timeMs`, made with its windows if need be; none when every window of that time is final. */
export function assign(device: Device, plan: Plan, timeMs: number, watermarkMs: number): Assigned {
  const found = findSlice(device, timeMs);
  if (found !== undefined && found.windows === plan.windows.length)
    return { slice: found, partlyLate: false };
  let startMs = Number.NEGATIVE_INFINITY;
  let endMs = Number.POSITIVE_INFINITY;
  let live = 0;
  for (const window of plan.windows) {
    const { start, end } = sliceEdges(window, timeMs);
    startMs = Math.max(startMs, start);
    endMs = Math.min(endMs, end);
    if (end + window.definition.allowedLatenessMs > watermarkMs) live++;
  }
  if (live === 0) return LATE;
  const partlyLate = live < plan.windows.length;
  if (found !== undefined) return { slice: found, partlyLate };
  const slice = plan.slices.make(device.nextSliceId++, startMs, endMs);
  for (const window of plan.windows) {
    const { end } = sliceEdges(window, timeMs);
    if (end + window.definition.allowedLatenessMs <= watermarkMs) continue;
    openWindow(device, window, timeMs).slices.push(slice);
    slice.windows++;
    if (window.isGlobal)
      device.nextDueMs = Math.min(device.nextDueMs, end + window.definition.allowedLatenessMs);
  }
  insertByStart(device.slices, slice);
  return { slice, partlyLate };
}

/** For a global window the edges of its slices, for every other kind those of the window itself. */
export function sliceEdges(
  window: WindowPlan,
  timeMs: number,
): { readonly start: number; readonly end: number } {
  if (window.isGlobal) {
    const start = Math.floor(timeMs / GLOBAL_SLICE_MS) * GLOBAL_SLICE_MS;
    return { start, end: start + GLOBAL_SLICE_MS };
  }
  const start = window.times.start(timeMs);
  return { start, end: window.times.end(start) };
}

function findSlice(device: Device, timeMs: number): Slice | undefined {
  const slices = device.slices;
  for (let i = slices.length - 1; i >= 0; i--) {
    const slice = slices[i]!;
    if (timeMs >= slice.startMs) return timeMs < slice.endMs ? slice : undefined;
    // In order the newest slice is the one; far back a binary search is worth it.
    if (i === slices.length - 3) return binarySearch(slices, timeMs);
  }
  return undefined;
}

function binarySearch(slices: readonly Slice[], timeMs: number): Slice | undefined {
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

function openWindow(device: Device, plan: WindowPlan, timeMs: number): OpenWindow {
  const windows = device.open[plan.index]!;
  const startMs = plan.times.start(timeMs);
  for (let i = windows.length - 1; i >= 0 && windows[i]!.startMs >= startMs; i--) {
    if (windows[i]!.startMs === startMs) return windows[i]!;
  }
  const endMs = plan.times.end(startMs);
  const window: OpenWindow = {
    plan,
    startMs,
    endMs,
    part: partOf(device, plan.definition.name, startMs),
    revision: 0,
    queued: false,
    slices: [],
    sealed: undefined,
  };
  insertByStart(windows, window);
  device.nextDueMs = Math.min(device.nextDueMs, endMs);
  return window;
}

function partOf(device: Device, name: string, startMs: number): number {
  const lost = device.lostThroughMs.filter((throughMs) => startMs <= throughMs).length;
  return lost + partAfter(device.redefined, name, startMs);
}

function insertByStart<T extends { readonly startMs: number }>(list: T[], item: T): void {
  let at = list.length;
  while (at > 0 && list[at - 1]!.startMs > item.startMs) at--;
  list.splice(at, 0, item);
}
