import { type Cells, cellOf, newCells } from "../aggregate/cells.js";
import type { Block } from "../model/block.js";
import { namedMembers } from "../model/group.js";
import { LIMITS } from "../model/limits.js";
import type { Summary, SummaryMembers } from "../model/summary.js";
import type { WindowDefinition } from "../model/window.js";
import { type OpenWindow, watermark } from "./device.js";
import { hasMore, isEarly } from "./early.js";
import { filled } from "./fill.js";
import { merged } from "./firing.js";
import {
  finalAtMs,
  type Group,
  type GroupWindow,
  gatherer,
  hasPassed,
  holdsUp,
  isSpent,
  partKey,
  partsOf,
  type Recall,
  slowestOf,
  translated,
  windowAt,
} from "./group.js";
import { ACCEPTED_CELL, type BoundedPlan, mergeUnordered } from "./plan.js";
import { partOf, redefine } from "./redefinition.js";
import { Share } from "./share.js";
import { describe, type Firing, summarise } from "./summarise.js";

/** When the windows of a group (group.ts) fire, and what they say. */
export type GroupFiring = Omit<Firing, "plan" | "groups" | "shareMax"> & {
  /** Where memory can be cleared: called when a member's part has been merged and nothing of a device is in use. */
  readonly relieve?: () => void;
  readonly recall: Recall;
};

/** The window of a definition and a start, opened if need be; undefined when it is closed. */
export function openWindow(group: Group, plan: BoundedPlan, part: OpenWindow): GroupWindow | undefined {
  const { startMs, endMs } = part;
  const windows = group.open[plan.index]!;
  const known = windowAt(windows, startMs);
  if (known !== undefined) return known;
  if (finalAtMs(plan, endMs) <= group.reachedMs) return undefined;
  const window: GroupWindow = {
    plan,
    startMs,
    endMs,
    part: partOf(group, plan.definition.name, startMs),
    revision: 0,
    saidReceived: 0,
    fired: false,
    queued: false,
    reconfigured: false,
    members: 0,
    sealed: undefined,
  };
  let at = windows.length;
  while (at > 0 && windows[at - 1]!.startMs > startMs) at--;
  windows.splice(at, 0, window);
  if (!plan.isGlobal) group.nextDueMs = Math.min(group.nextDueMs, endMs);
  return window;
}

/**
 * Fires whatever is due at the group's watermark, and what late readings have changed.
 * @returns whether that was all; if not, there is a hole that one share was too little for
 */
export function advanceGroup(on: GroupFiring, group: Group, { processingMs, shareMax }: Block): boolean {
  const share = new Share({ summaries: on.summaries, shareMax: shareMax ?? Number.POSITIVE_INFINITY });
  const isAll = fireAllDue(on, group, { share, processingMs });
  // Also where something is left: what is to be said anew is not stored.
  for (const window of group.changed) {
    if (window.queued) fire(on, group, window, { final: false });
  }
  group.changed.length = 0;
  if (isAll && group.plan.early) fireEarly(on, group, processingMs);
  return isAll;
}

interface Due {
  readonly share: Share;
  readonly processingMs: number;
}

/** @returns whether that was all */
function fireAllDue(on: GroupFiring, group: Group, { share, processingMs }: Due): boolean {
  while (isDue(group, processingMs, on.recall)) if (!fireDue(on, group, share)) return false;
  while (group.open.some((windows) => windows.length > LIMITS.groupWindowsMax)) {
    if (!fireDue(on, group, share)) return false;
    group.hurried++;
  }
  return true;
}

/** As windows of a device do (early.ts), by the time that every active member has passed. */
function fireEarly(on: GroupFiring, group: Group, processingMs: number): void {
  const beforeMs = group.earlyToMs;
  const nextMs = Math.min(...group.plan.windows.map(({ definition }) => stepAfter(definition, beforeMs)));
  // Mostly it is the same one, and to look at all takes long.
  if (group.slowest !== undefined && holdsUp(group.slowest, nextMs, processingMs)) return;
  group.slowest = slowestOf(group, processingMs);
  if (group.slowest === undefined) return;
  const { clock } = group.slowest;
  const nowMs = watermark(clock, clock.plan);
  if (nowMs < nextMs) return;
  group.earlyToMs = nowMs;
  if (beforeMs === Number.NEGATIVE_INFINITY || on.finalOnly) return;
  for (const window of group.open.flat()) {
    if (!isEarly(window, { beforeMs, nowMs })) continue;
    const gathered = gather(on, group, window);
    if (hasMore(window, gathered.cells)) say(on, group, window, { final: false, open: true, gathered });
  }
}

/** The first time after this at which windows say early what they have; Infinity where they never do. */
function stepAfter({ earlyMs }: WindowDefinition, timeMs: number): number {
  if (earlyMs === undefined) return Number.POSITIVE_INFINITY;
  return (Math.floor(timeMs / earlyMs) + 1) * earlyMs;
}

/** Whether there is something to fire at the group's watermark. @param recall see `hasPassed` */
export function isDue(group: Group, processingMs: number, recall?: Recall): boolean {
  const { nextDueMs: dueMs } = group;
  return dueMs < Number.POSITIVE_INFINITY && hasPassed(group, dueMs, processingMs, recall);
}

/** @returns whether all has fired; if not, it is due still */
function fireDue(on: GroupFiring, group: Group, share: Share): boolean {
  const dueMs = group.nextDueMs;
  group.reachedMs = Math.max(group.reachedMs, dueMs);
  for (const windows of group.open) {
    let finals = 0;
    let isAll = true;
    for (const window of windows) {
      if (window.plan.isGlobal || finalAtMs(window.plan, window.endMs) > dueMs) break;
      isAll = fire(on, group, window, { final: true, room: share.room });
      if (!isAll) break;
      finals++;
    }
    windows.splice(0, finals);
    if (!isAll) return false;
    for (const window of windows) {
      if (window.endMs > dueMs) break;
      if (!window.fired) fire(on, group, window, { final: false });
    }
  }
  group.nextDueMs = nextDueMs(group);
  return true;
}

/** Time that the members have to pass for something to fire; Infinity for none. */
export function nextDueMs({ open }: Group): number {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const [first, ...rest] of open) {
    if (first === undefined || first.plan.isGlobal) continue;
    dueMs = Math.min(dueMs, finalAtMs(first.plan, first.endMs));
    // In the order of their ends.
    const unfired = [first, ...rest].find(({ fired }) => !fired);
    if (unfired !== undefined) dueMs = Math.min(dueMs, unfired.endMs);
  }
  return dueMs;
}

interface FiringKind {
  readonly final: boolean;
  /** See `WindowBounds.open`. */
  readonly open?: boolean;
  /** Whether it is closed before its time: there may be others before it, and no hole has ended. */
  readonly tooSoon?: boolean;
  /** For so many summaries of what is missing before it; undefined for all of it. */
  readonly room?: number;
  readonly reconfigured?: boolean;
}

/** @returns whether it has fired; if not, there was only room for some of what is missing before it (fill.ts) */
function fire(on: GroupFiring, group: Group, window: GroupWindow, kind: FiringKind): boolean {
  if (window.endMs <= group.reachedMs) window.fired = true;
  window.queued = false;
  if (!on.finalOnly || kind.final)
    return say(on, group, window, { ...kind, gathered: gather(on, group, window) });
  window.revision++;
  return true;
}

/** What all members have gathered for a window. */
interface Gathered {
  readonly cells: Cells;
  /** Members with readings in it. */
  readonly count: number;
}

function gather(on: GroupFiring, group: Group, window: GroupWindow): Gathered {
  const { plan, startMs } = window;
  const cells = newCells(group.plan.cellCount);
  let count = window.members;
  if (window.sealed !== undefined) mergeUnordered(group.plan, cells, window.sealed);
  const name = [...group.parts.keys()][plan.index]!;
  for (const member of group.members) {
    const device = gatherer(member, name, startMs, on.recall);
    if (device === undefined) continue;
    const own = windowAt(partsOf(device, name), startMs);
    if (own === undefined || isSpent(group, device, own)) continue;
    const gathered = merged(device.plan, device, own);
    if (cellOf(gathered, ACCEPTED_CELL) > 0) count++;
    mergeUnordered(group.plan, cells, translated(group, device.plan, gathered));
    on.relieve?.();
  }
  return { cells, count };
}

function say(
  on: GroupFiring,
  group: Group,
  window: GroupWindow,
  { final, open, reconfigured, tooSoon, room, gathered }: FiringKind & { readonly gathered: Gathered },
): boolean {
  const { plan, startMs, endMs, part, revision } = window;
  const { cells, count } = gathered;
  const fired = {
    plan,
    window: describe(window),
    startMs,
    endMs,
    part,
    revision,
    final,
    open,
    reconfigured,
    cells,
  };
  const said: Summary[] = [];
  const saying = { ...on, plan: group.plan, summaries: said };
  const series = tooSoon ? [] : group.series;
  const who = { ...group, name: group.definition.name, series };
  const summary = summarise(saying, who, fired);
  const last = final
    ? filled(saying, who, window, { summary, room: room ?? Number.POSITIVE_INFINITY })
    : summary;
  // What was filled is nobody's.
  for (const each of said) on.summaries.push({ ...each, members: membersOf(group, 0) });
  if (last === undefined) return false;
  window.revision++;
  on.summaries.push({ ...last, members: membersOf(group, count) });
  return true;
}

function membersOf({ definition }: Group, count: number): SummaryMembers {
  const of = namedMembers(definition.members);
  return of === undefined ? { count } : { count, of };
}

/**
 * Fires windows as final although their time has not come. What members still gather for them is spent: it is in what
 * was said, and must not be counted again where the window comes up once more.
 */
export function closeEarly(
  on: GroupFiring,
  group: Group,
  which: (window: GroupWindow) => boolean,
  kind: { readonly reconfigured: boolean },
): GroupWindow[] {
  const closed = group.open.flatMap((windows) => windows.filter(which));
  for (const window of closed) fire(on, group, window, { final: true, tooSoon: true, ...kind });
  // Or what is filled next would be before one of them.
  for (const { plan } of closed) group.series[plan.index] = undefined;
  const names = [...group.parts.keys()];
  for (const { plan, startMs } of closed) {
    const name = names[plan.index]!;
    // Who has a part in it was brought back for its firing.
    for (const { device } of group.members) {
      const own = device === undefined ? undefined : windowAt(partsOf(device, name), startMs);
      if (device !== undefined && own !== undefined) group.spent.add(partKey(device, own));
    }
  }
  for (const [index, windows] of group.open.entries()) {
    group.open[index] = windows.filter((window) => !closed.includes(window));
  }
  group.nextDueMs = nextDueMs(group);
  return closed;
}

/** There will be no more input, and no member has a part open any more. */
export function closeAll(on: GroupFiring, group: Group): void {
  for (const windows of group.open) {
    for (const window of windows) fire(on, group, window, { final: true });
    windows.length = 0;
  }
  group.changed.length = 0;
  group.nextDueMs = Number.POSITIVE_INFINITY;
}

/**
 * A member's time has begun anew: windows of a future that there is not are closed as they are, and those that closed
 * since the time to which it has gone back may come up again, as another part.
 */
export function beginAnew(on: GroupFiring, group: Group, timeMs: number, nowMs: number): void {
  const throughMs = Math.max(timeMs, nowMs);
  const closed = closeEarly(on, group, ({ plan, startMs }) => !plan.isGlobal && startMs > throughMs, {
    reconfigured: false,
  });
  const isBack = timeMs < group.reachedMs;
  if (isBack) spendClosed(group, on.recall);
  if (isBack || closed.length > 0) {
    const names = group.plan.windows.filter(({ isGlobal }) => !isGlobal).map((plan) => plan.definition.name);
    // A member has handed over what it has when its time begins anew, before the group has taken notice of its time.
    const starts = closed.map(({ startMs }) => startMs);
    const emittedMs = Math.max(group.maxTimeMs, group.reachedMs, ...starts);
    group.redefined = redefine(group.redefined, names, emittedMs);
    group.maxTimeMs = throughMs;
  }
  if (isBack) {
    group.reachedMs = timeMs;
    group.earlyToMs = Number.NEGATIVE_INFINITY;
    group.series = [];
  }
}

/** What members still gather for windows that are closed does not count in others of the same bounds. */
function spendClosed(group: Group, recall: Recall): void {
  for (const member of group.members) {
    for (const [name, index] of group.parts) {
      const plan = group.plan.windows[index]!;
      const firstMs = member.spans.get(name)?.firstMs ?? Number.POSITIVE_INFINITY;
      const isClosed = finalAtMs(plan, plan.times.end(firstMs)) <= group.reachedMs;
      const device = member.device ?? (isClosed ? recall(member.clock) : undefined);
      if (device === undefined) continue;
      for (const part of partsOf(device, name)) {
        if (finalAtMs(part.plan, part.endMs) <= group.reachedMs) group.spent.add(partKey(device, part));
      }
    }
  }
}
