import { type Cells, cellOf, newCells } from "../aggregate/cells.js";
import { BEHIND, type Device, isBehind, type OpenWindow, slicesOf, watermark } from "./device.js";
import { filled } from "./fill.js";
import { advanceFolds, isToBeFolded } from "./fold-firing.js";
import { type Bound, gatherSlices, lastBefore, precede, rememberBounds } from "./ordered.js";
import { mergeCells, type Plan } from "./plan.js";
import { Share } from "./share.js";
import type { Slice, TimeLine } from "./slice.js";
import { describe, type Firing, summarise } from "./summarise.js";

/**
 * When windows with bounds fire.
 *
 * A window fires when the watermark reaches its end; again at the end of a block in which late readings changed
 * it; and once more, as final, when the watermark is `allowedLateness` past the end, after which it is forgotten.
 * With no lateness the first firing is the final one. What a firing says depends on the readings alone, not on
 * their order; only `revision` and `quality` tell how they came.
 */
/**
 * Fires and lets go of whatever is due at the device's watermark, as far as one share goes. With more of it the device
 * is behind: what is left comes in the next blocks, in the order in which it would have come now, and no reading of
 * the device is taken in before.
 */
export function advance(on: Firing, device: Device): void {
  const share = new Share(on);
  const watermarkMs = watermark(device, on.plan);
  device.reshaped = true;
  device.nextDueMs = BEHIND;
  let nextDueMs = Number.POSITIVE_INFINITY;
  for (const windows of device.open) {
    if (windows.length === 0) continue;
    nextDueMs = Math.min(nextDueMs, advanceWindows({ on, device, share }, windows, watermarkMs));
    if (nextDueMs === BEHIND) return;
  }
  device.advancedToMs = watermarkMs;
  // What they need is let go next.
  if (device.folds.length > 0 && !advanceFolds(on, device, share)) return;
  device.nextDueMs = Math.min(nextDueMs, letGo({ on, device, share }, watermarkMs));
}

/** The same at the end of a block, where folded windows fire too. */
export function advanceFoldsOf(on: Firing, device: Device): void {
  // What a late reading has opened is due, and then the next reading would find it so; it is not to depend on the share.
  if (watermark(device, on.plan) >= device.nextDueMs) advance(on, device);
  else if (!advanceFolds(on, device, new Share(on))) device.nextDueMs = BEHIND;
}

/** To be called before anything else happens to a device. */
export function catchUp(on: Firing, device: Device): void {
  while (isBehind(device)) advance(on, device);
}

interface Advancing {
  readonly on: Firing;
  readonly device: Device;
  readonly share: Share;
}

/**
 * Windows of one definition end in the order in which they begin: the final ones are in front, the ones that fire
 * for the first time near the back, and those in between, of which lateness may make many, need no look.
 * @returns the watermark at which there is more to do
 */
function advanceWindows(
  { on, device, share }: Advancing,
  windows: OpenWindow[],
  watermarkMs: number,
): number {
  let finals = 0;
  while (finals < windows.length && finalAtMs(windows[finals]!) <= watermarkMs && !share.isSpent) {
    if (!fire(on, device, windows[finals]!, { final: true, room: share.room })) break;
    finals++;
    share.spend();
  }
  if (finals === 1) windows.shift();
  else if (finals > 1) windows.splice(0, finals);
  if (windows.length > 0 && finalAtMs(windows[0]!) <= watermarkMs) return BEHIND;
  const ended = firstEndingAfter(windows, watermarkMs);
  for (let i = firstEndingAfter(windows, device.advancedToMs); i < ended; i++) {
    const window = windows[i]!;
    if (window.revision !== window.early || window.queued) continue;
    if (share.isSpent) return BEHIND;
    fire(on, device, window, { final: false });
    share.spend();
  }
  const nextEndMs = ended < windows.length ? windows[ended]!.endMs : Number.POSITIVE_INFINITY;
  return windows.length === 0 ? nextEndMs : Math.min(nextEndMs, finalAtMs(windows[0]!));
}

/** How many windows of a device fire at a watermark, at most, at a time. */
export function firingsAt(device: Device, watermarkMs: number): number {
  let count = 0;
  for (const windows of device.open) {
    const first = windows[0];
    if (first === undefined) continue;
    count += firstEndingAfter(windows, watermarkMs - first.plan.definition.allowedLatenessMs);
    if (first.plan.definition.allowedLatenessMs === 0) continue;
    count += firstEndingAfter(windows, watermarkMs) - firstEndingAfter(windows, device.advancedToMs);
  }
  return count;
}

/** Index of the first window that ends after `timeMs`, or of the list's end. */
function firstEndingAfter(windows: readonly OpenWindow[], timeMs: number): number {
  let low = 0;
  let high = windows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (windows[middle]!.endMs <= timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Watermark at which nothing can change the window any more. */
function finalAtMs(window: OpenWindow): number {
  return window.endMs + window.plan.definition.allowedLatenessMs;
}

/** Fires the windows that late readings have changed. */
export function fireChanged(on: Firing, device: Device): void {
  // Setting the length is a call into the runtime even when there is nothing to do.
  if (device.changed.length === 0) return;
  const watermarkMs = watermark(device, on.plan);
  for (const window of device.changed) {
    // Of one that is behind the last word is still to come.
    if (window.queued && finalAtMs(window) > watermarkMs) fire(on, device, window, { final: false });
    window.queued = false;
  }
  device.changed.length = 0;
}

/**
 * Fires a window as final although its time has not come: the input has ended, or its definition has.
 * @returns as `fire`
 */
export function closeWindow(
  on: Firing,
  device: Device,
  window: OpenWindow,
  { reconfigured, room }: Pick<FiringKind, "reconfigured" | "room">,
): boolean {
  const open = reconfigured === true && window.endMs > watermark(device, on.plan);
  return fire(on, device, window, { final: true, reconfigured, open, room });
}

/**
 * Lets go of the slices that no reading can change any more; what is in them goes into the global windows.
 * @returns the watermark at which there is more to do
 */
function letGo({ on, device, share }: Advancing, watermarkMs: number): number {
  const { slices, retired } = device;
  const older: Slice[] = [];
  for (let i = 0; i < retired.length; i++) {
    if (retired[i]!.dueMs <= watermarkMs) older.push(...retired.splice(i--, 1));
  }
  let due = 0;
  // What is in them is wanted again, and of several epochs together.
  const isRead = older.length === 0 && isWanted(on.plan);
  while (due < slices.length && slices[due]!.dueMs <= watermarkMs && !(isRead && share.isSpent)) {
    due++;
    share.spend();
  }
  if (due > 0 || older.length > 0) {
    const gone = { slices: slices.slice(0, due), retired: older };
    // One at the front goes, nearly always; that costs nothing.
    if (due === 1) slices.shift();
    else if (due > 1) slices.splice(0, due);
    seal(on, device, gone);
    for (const slice of gone.retired) drop(on.plan, device, slice);
    for (const slice of gone.slices) drop(on.plan, device, slice);
  }
  let nextDueMs = slices.length > 0 ? slices[0]!.dueMs : Number.POSITIVE_INFINITY;
  if (nextDueMs <= watermarkMs) return BEHIND;
  for (const { dueMs } of retired) nextDueMs = Math.min(nextDueMs, dueMs);
  return nextDueMs;
}

/** Whether anything takes over from slices that are let go. */
function isWanted({ ordered, windows }: Plan): boolean {
  return ordered.length > 0 || windows.some(({ isGlobal }) => isGlobal);
}

/** A global window outlives its slices. */
function seal(on: Firing, device: Device, { slices, retired }: TimeLine): void {
  for (const { isGlobal, index } of on.plan.windows) {
    const window = isGlobal ? device.open[index]![0] : undefined;
    if (window === undefined) continue;
    const older = retired.filter(({ epoch }) => epoch >= window.epoch);
    if (slices.length + older.length === 0) continue;
    window.sealed ??= newCells(on.plan.cellCount);
    gatherSlices(on.plan, window.sealed, { slices, retired: older });
  }
}

function drop(plan: Plan, device: Device, slice: Slice): void {
  rememberBounds(plan, device, slice);
  plan.slices.drop(slice);
}

/** Lets go of everything: there will be no more input. */
export function dropAll(plan: Plan, device: Device): void {
  for (const slice of [...device.retired, ...device.slices]) drop(plan, device, slice);
  device.slices.length = 0;
  device.retired.length = 0;
}

/** Lets go of slices of earlier epochs that no open window and no fold has anything of. */
export function dropRetired(on: Firing, device: Device): void {
  const needed = new Set(device.open.flat().flatMap((window) => slicesOf(device, window)));
  const { retired } = device;
  for (let i = 0; i < retired.length; i++) {
    if (needed.has(retired[i]!) || isToBeFolded(device, retired[i]!)) continue;
    drop(on.plan, device, retired[i]!);
    retired.splice(i--, 1);
  }
}

interface FiringKind {
  readonly final: boolean;
  /** See `WindowBounds.open`. */
  readonly open?: boolean;
  readonly reconfigured?: boolean | undefined;
  /** For so many summaries of what is missing before it; undefined for all of it. */
  readonly room?: number | undefined;
}

/** @returns whether it has fired; if not, there was only room for some of what is missing before it (fill.ts) */
export function fire(on: Firing, device: Device, fired: OpenWindow, kind: FiringKind): boolean {
  const revision = fired.revision++;
  fired.queued = false;
  if (fired.plan.definition.forGroup) {
    if (!kind.final || on.groups === undefined) return true;
    on.groups.handOver(device, fired, merged(on.plan, device, fired), kind.reconfigured === true);
    return true;
  }
  if (on.finalOnly && !kind.final) return true;
  const { startMs, endMs, part, plan } = fired;
  const cells = merged(on.plan, device, fired);
  const window = describe(fired);
  // Spelled out: a spread takes longer than all the rest.
  const { final, open, reconfigured } = kind;
  const said = { final, open, reconfigured, plan, window, startMs, endMs, part, revision, cells };
  const summary = summarise(on, device, said);
  const { room = Number.POSITIVE_INFINITY } = kind;
  const last = final ? filled(on, device, fired, { summary, room }) : summary;
  if (last !== undefined) on.summaries.push(last);
  else fired.revision--;
  return last !== undefined;
}

/** What a window has gathered; to be used before the next one is asked for. */
export function merged(plan: Plan, device: Device, window: OpenWindow): Cells {
  if (plan.running !== undefined && isSettled(plan, device, window)) {
    const total = plan.running.merged(device, window);
    if (total !== undefined) return total;
  }
  const slices = slicesOf(device, window);
  if (plan.ordered.length > 0) return mergedInOrder(plan, device, window, slices);
  if (slices.length === 1 && window.sealed === undefined) return plan.slices.cellsOf(slices[0]!);
  const total = newCells(plan.cellCount);
  if (window.sealed !== undefined) window.plan.merge(total, window.sealed);
  for (const slice of slices) window.plan.merge(total, plan.slices.cellsOf(slice));
  return total;
}

/** Whether only late readings can change what the window is merged from, of which `RunningMerges.forget` is told. */
function isSettled(plan: Plan, device: Device, window: OpenWindow): boolean {
  const { retired } = device;
  return retired.length === 0 && window.sealed === undefined && window.endMs <= watermark(device, plan);
}

function mergedInOrder(plan: Plan, device: Device, window: OpenWindow, of: readonly Slice[]): Cells {
  const total = newCells(plan.cellCount);
  if (window.sealed !== undefined) mergeCells(plan, total, window.sealed);
  const isOlder = ({ epoch }: Slice) => epoch < device.epoch;
  const slices = of.filter((slice) => !isOlder(slice));
  gatherSlices(plan, total, { slices, retired: slices.length < of.length ? of.filter(isOlder) : [] });
  if (window.plan.isGlobal) return total;
  precede(plan, total, (index) => {
    const isEmpty = cellOf(total, plan.ordered[index]!.countAt) === 0;
    return isEmpty ? undefined : boundOf(plan, device, window, index);
  });
  return total;
}

/**
 * The last value before a window. Of one that was opened in its middle, when the definition changed or the clock was
 * set back, the readings before that are not its own, and nor is what they followed: it begins with its first value.
 */
export function boundOf(
  plan: Plan,
  device: Device,
  { startMs, endMs, epoch }: OpenWindow,
  index: number,
): Bound | undefined {
  for (const slice of device.retired) {
    if (slice.epoch < epoch && plan.slices.holdsIn(slice, startMs, endMs)) return undefined;
  }
  return lastBefore(plan, device, index, startMs);
}
