import { type Cells, newCells } from "../aggregate/cells.js";
import { partName } from "../aggregate/group.js";
import type { GroupDefinition } from "../model/group.js";
import type { Device, OpenWindow } from "./device.js";
import { watermark } from "./device.js";
import { type BoundedPlan, type Plan, translateCells } from "./plan.js";
import type { Redefinition } from "./redefinition.js";
import { isIdle } from "./silence.js";

/**
 * A group of devices whose readings are summarised together.
 *
 * Each member has, beside its own windows, one that gathers its part in every window of the group: the same bounds,
 * the same lateness, by its own watermark. The group's window is the merge of these parts, exact in any order. As long
 * as a member's part can change it is read where it is, in the member's slices; when it has had its last word the member
 * hands it over, and it becomes part of what the group's window has sealed. So the group keeps one row of cells for a
 * window, however many members it has.
 *
 * The group's watermark is the least of its active members: it has passed a time when each of them has. Silent ones hold
 * nobody up. When all are silent a window waits for those only that have something in it, whose own windows
 * silence closes as it does any device's.
 *
 * A member whose state is in the store only (residency.ts) leaves here what decides whether it holds the group up, and
 * from when until when its parts are. It is brought back where a window needs what it has gathered.
 *
 * When a definition changes that concerns the group, it stays as it was until its members have changed over one after the
 * other (changeover.ts), and takes what they hand over.
 *
 * What is told goes one way, from members to group (listener.ts), because they are stored at different journal
 * positions. The group's record is written with every record of a device, so it has always seen at least as much as any
 * member; in a replay it passes over what it has seen.
 */
export interface Group {
  readonly definition: GroupDefinition;
  /** As if it were one device. */
  readonly plan: Plan;
  /** By the name of the windows that gather members' parts, which of its own they are for. */
  readonly parts: ReadonlyMap<string, number>;
  readonly members: Member[];
  /** Windows that are not final, per definition, by start. */
  readonly open: GroupWindow[][];
  /** See `Device.series`. */
  series: Device["series"];
  /** See `Device.earlyToMs`. */
  earlyToMs: number;
  /** Every window that ends by this time has fired, and every one that is final by it is closed. */
  reachedMs: number;
  /** Highest event time of a member. */
  maxTimeMs: number;
  /** Readings that a member has accepted and that came too late for a window of the group. */
  late: number;
  /** Times that windows had to fire before all members were there, because there were too many. */
  hurried: number;
  /** See `Device.redefined`. */
  redefined: readonly Redefinition[];
  readonly lostThroughMs: readonly number[];
  /** Parts, as `partKey`, that belong to a window which was closed before its time: nothing of them counts again. */
  readonly spent: Set<string>;
  /** Windows that fired and have changed since. */
  readonly changed: GroupWindow[];
  /** Time that members have to pass for something to fire. */
  nextDueMs: number;
  /** Members before this place do not hold up a time through `checkedMs`. */
  checked: number;
  checkedMs: number;
  /** The one that was furthest behind when that was looked at last. */
  slowest: Member | undefined;
}

/** Of a member, what decides whether it holds the group up. */
export type MemberClock = Pick<
  Device,
  "profileId" | "name" | "plan" | "maxTimeMs" | "idleFloorMs" | "lastSeenMs"
>;

export interface Member {
  /** The device itself while it is in memory. */
  clock: MemberClock;
  /** Undefined while its state is in the store only. */
  device: Device | undefined;
  /** Where its parts are then. */
  spans: PartSpans;
  readonly place: number;
  /** `Device.nextSliceId` when its windows were last looked at. */
  sliceId: number;
}

/** By the name of the windows that gather parts, the starts of the first and of the last one that are open. */
export type PartSpans = ReadonlyMap<string, { readonly firstMs: number; readonly lastMs: number }>;

export const NO_SPANS: PartSpans = new Map();

/** Brings a device that is in the store only back into memory for a moment; who was cold is cold. */
export type Recall = (of: Pick<MemberClock, "profileId" | "name" | "plan">) => Device;

export interface GroupWindow {
  readonly plan: BoundedPlan;
  readonly startMs: number;
  readonly endMs: number;
  /** See `OpenWindow.part`. */
  readonly part: number;
  revision: number;
  /** See `OpenWindow.saidReceived`. */
  saidReceived: number;
  /** Whether it has fired on time. */
  fired: boolean;
  /** In `Group.changed`. */
  queued: boolean;
  /** Whether a member's part has ended because its definition has. */
  reconfigured: boolean;
  /** Members with readings among those that have handed over their part. */
  members: number;
  /** What they have handed over. */
  sealed: Cells | undefined;
}

/** What a group remembers of itself when its definition is changed or stored. */
export type GroupPast = Pick<
  Group,
  "earlyToMs" | "reachedMs" | "maxTimeMs" | "late" | "hurried" | "redefined" | "spent" | "lostThroughMs"
>;

export const NO_PAST: Omit<GroupPast, "lostThroughMs" | "spent"> = {
  earlyToMs: Number.NEGATIVE_INFINITY,
  reachedMs: Number.NEGATIVE_INFINITY,
  maxTimeMs: Number.NEGATIVE_INFINITY,
  late: 0,
  hurried: 0,
  redefined: [],
};

export function newGroup(definition: GroupDefinition, plan: Plan, past: GroupPast): Group {
  return {
    definition,
    plan,
    parts: new Map(definition.windows.map(({ name }, index) => [partName(definition.name, name), index])),
    members: [],
    open: plan.windows.map(() => []),
    series: [],
    ...past,
    changed: [],
    nextDueMs: Number.POSITIVE_INFINITY,
    checked: 0,
    checkedMs: Number.NEGATIVE_INFINITY,
    slowest: undefined,
  };
}

export function join(
  group: Group,
  clock: MemberClock,
  { device, spans }: Pick<Member, "device" | "spans">,
): Member {
  const member = { clock, device, spans, place: group.members.length, sliceId: 0 };
  group.members.push(member);
  return member;
}

/** Time from which nothing can change a window of this definition and end any more. */
export function finalAtMs({ definition }: BoundedPlan, endMs: number): number {
  return endMs + definition.allowedLatenessMs;
}

/** The window of a start, if it is open. */
export function windowAt<T extends { readonly startMs: number }>(
  windows: readonly T[],
  startMs: number,
): T | undefined {
  let low = 0;
  let high = windows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (windows[middle]!.startMs < startMs) low = middle + 1;
    else high = middle;
  }
  return windows[low]?.startMs === startMs ? windows[low] : undefined;
}

const places = new WeakMap<Plan, ReadonlyMap<string, number>>();

/** A member's windows that gather its parts in the windows of this name (`partName`); none where it has none. */
export function partsOf(device: Device, name: string): readonly OpenWindow[] {
  const { plan } = device;
  let known = places.get(plan);
  if (known === undefined) {
    known = new Map(plan.windows.map(({ definition, index }) => [definition.name, index]));
    places.set(plan, known);
  }
  const index = known.get(name);
  return index === undefined ? [] : device.open[index]!;
}

/** Where the parts of a device are that goes. */
export function spansOf({ parts }: Group, device: Device): PartSpans {
  const spans = new Map<string, { readonly firstMs: number; readonly lastMs: number }>();
  for (const name of parts.keys()) {
    const open = partsOf(device, name);
    if (open.length > 0) spans.set(name, { firstMs: open[0]!.startMs, lastMs: open.at(-1)!.startMs });
  }
  return spans;
}

/** A member's device, brought back if need be, where it may have a part that begins then. */
export function gatherer(
  { device, spans, clock }: Member,
  name: string,
  startMs: number,
  recall: Recall,
): Device | undefined {
  if (device !== undefined) return device;
  const span = spans.get(name);
  return span === undefined || startMs < span.firstMs || startMs > span.lastMs ? undefined : recall(clock);
}

export function partKey({ profileId, name }: Device, { plan, startMs }: OpenWindow): string {
  return JSON.stringify([profileId, name, plan.definition.name, startMs]);
}

export function isSpent({ spent }: Group, device: Device, part: OpenWindow): boolean {
  return spent.size > 0 && spent.has(partKey(device, part));
}

/** A member's cells as the group lays them out. */
export function translated(group: Group, plan: Plan, cells: Cells): Cells {
  return translateCells(plan, group.plan, cells, newCells(group.plan.cellCount));
}

/** Whether a member keeps the group from having passed a time. */
export function holdsUp({ clock }: Member, timeMs: number, processingMs: number): boolean {
  if (watermark(clock, clock.plan) >= timeMs) return false;
  return isActive(clock, processingMs);
}

function isActive(clock: MemberClock, processingMs: number): boolean {
  return clock.maxTimeMs > Number.NEGATIVE_INFINITY && !isIdle(clock, processingMs);
}

/**
 * Whether the group's watermark has passed a time.
 * @param recall without it a silent member that is in the store only holds the group up as long as it may have something
 */
export function hasPassed(group: Group, timeMs: number, processingMs: number, recall?: Recall): boolean {
  const { members } = group;
  if (timeMs > group.checkedMs) group.checked = 0;
  group.checkedMs = timeMs;
  for (; group.checked < members.length; group.checked++) {
    if (holdsUp(members[group.checked]!, timeMs, processingMs)) return false;
  }
  if (members.some(({ clock }) => isActive(clock, processingMs))) return true;
  return !members.some((member) => {
    if (member.device !== undefined) return hasPartDue(group, member.device, timeMs);
    if (!mayHavePartDue(group, member, timeMs)) return false;
    return recall === undefined || hasPartDue(group, recall(member.clock), timeMs);
  });
}

/** The active member that is furthest behind; undefined when all are silent. */
export function slowestOf({ members }: Group, processingMs: number): Member | undefined {
  let slowest: Member | undefined;
  let leastMs = Number.POSITIVE_INFINITY;
  for (const member of members) {
    const { clock } = member;
    const reachedMs = watermark(clock, clock.plan);
    if (reachedMs >= leastMs || !isActive(clock, processingMs)) continue;
    slowest = member;
    leastMs = reachedMs;
  }
  return slowest;
}

function mayHavePartDue({ parts, plan }: Group, { spans }: Member, timeMs: number): boolean {
  for (const [name, index] of parts) {
    const span = spans.get(name);
    if (span !== undefined && plan.windows[index]!.times.end(span.firstMs) <= timeMs) return true;
  }
  return false;
}

/** Whether a silent member has something in a window that is due by then, and has not come so far itself. */
function hasPartDue(group: Group, device: Device, timeMs: number): boolean {
  const watermarkMs = watermark(device, device.plan);
  const isDue = (part: OpenWindow) =>
    (part.endMs <= timeMs && watermarkMs < part.endMs) || finalAtMs(part.plan, part.endMs) <= timeMs;
  for (const name of group.parts.keys()) {
    for (const part of partsOf(device, name)) if (isDue(part) && !isSpent(group, device, part)) return true;
  }
  return false;
}

/** A reading has come for a time that the group, or its device, has passed: windows change, or it is too late. */
export function noteLate(group: Group, device: Device, timeMs: number): void {
  let isLate = false;
  for (const [name, index] of group.parts) {
    const plan = group.plan.windows[index]!;
    const parts = partsOf(device, name);
    if (plan.isGlobal || !device.plan.windows.some(({ definition }) => definition.name === name)) continue;
    const { times } = plan;
    for (let startMs = times.first(timeMs); startMs <= times.last(timeMs); startMs = times.next(startMs)) {
      const part = windowAt(parts, startMs);
      const window = windowAt(group.open[index]!, startMs);
      const isClosed = window === undefined && finalAtMs(plan, times.end(startMs)) <= group.reachedMs;
      if (part === undefined || isClosed || isSpent(group, device, part)) isLate = true;
      else if (window?.fired === true && !window.queued) {
        window.queued = true;
        group.changed.push(window);
      }
    }
  }
  if (isLate) group.late++;
}
