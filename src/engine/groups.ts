import { type Cells, cellOf, newCells } from "../aggregate/cells.js";
import type { Block } from "../model/block.js";
import type { Summary } from "../model/summary.js";
import { type Device, type OpenWindow, watermark } from "./device.js";
import {
  type Group,
  type GroupPast,
  type GroupWindow,
  holdsUp,
  isSpent,
  join,
  type Member,
  type MemberClock,
  NO_PAST,
  NO_SPANS,
  newGroup,
  noteLate,
  partKey,
  partsOf,
  type Recall,
  spansOf,
  translated,
} from "./group.js";
import {
  advanceGroup,
  beginAnew,
  closeAll,
  closeEarly,
  type GroupFiring,
  isDue,
  nextDueMs,
  openWindow,
} from "./group-firing.js";
import { GroupShapes, type Shaped } from "./group-shapes.js";
import type { GroupListener } from "./listener.js";
import { ACCEPTED_CELL, type BoundedPlan, mergeUnordered, type Plan, translateCells } from "./plan.js";
import { redefine } from "./redefinition.js";
import type { Residency, ResidencyHold } from "./residency.js";

/** What a group has done so far. */
export interface GroupCounts {
  readonly name: string;
  /** Devices that are in it. */
  readonly members: number;
  readonly openWindows: number;
  /** Readings that a member has accepted and that came too late for a window of the group. */
  readonly late: number;
  /** Times that windows fired before all members were there, because there were too many. */
  readonly hurried: number;
  /** The member that windows wait for, where they wait. */
  readonly waitsFor?: string;
}

interface Membership {
  readonly group: Group;
  readonly member: Member;
}

/** All groups of an engine: who is in them, what members tell them, and when they fire. */
export class Groups implements GroupListener, ResidencyHold {
  readonly #on: Omit<GroupFiring, "summaries">;
  readonly #room: Residency;
  /** What there is to be: what is prepared there counts when devices have been moved, and groups `rearrange`d. */
  readonly shapes: GroupShapes;
  /** See `Device.lostThroughMs`. */
  readonly lostThroughMs: readonly number[];
  #summaries: Summary[] = [];
  #groups: Group[] = [];
  /** What groups of names that are not defined now remember: their ids must not come again. */
  readonly #past = new Map<string, GroupPast>();
  readonly #of = new Map<Device, readonly Membership[]>();
  /** Of members that are in the store only. */
  readonly #away = new Map<string, readonly Membership[]>();
  readonly #touched = new Set<Device>();
  #isBehind = false;
  /** Journal position that the stored groups include; a replay passes over blocks up to there. */
  replayedThrough = 0;

  /** @param on also how a member comes back that is in the store only */
  constructor(on: Omit<GroupFiring, "summaries">, room: Residency, lostThroughMs: readonly number[]) {
    this.#on = on;
    this.#room = room;
    this.shapes = new GroupShapes(room);
    this.lostThroughMs = lostThroughMs;
  }

  get #firing(): GroupFiring {
    return { ...this.#on, summaries: this.#summaries };
  }

  /** Where nothing of a device is in use. */
  get #firingBetween(): GroupFiring {
    const relieve = () => void this.#room.relieve();
    const recall: Recall = (of) => {
      relieve();
      return this.#on.recall(of);
    };
    return { ...this.#firing, relieve, recall };
  }

  /** Whether a hole was longer than one block may fill: the next one goes on with it. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  get groups(): readonly Group[] {
    return this.#groups;
  }

  /** Past lives of groups, by name, of those that are not there. */
  get past(): ReadonlyMap<string, GroupPast> {
    return this.#past;
  }

  /** Where summaries go until further notice. @returns the same */
  emitTo(summaries: Summary[]): Summary[] {
    this.#summaries = summaries;
    return summaries;
  }

  /**
   * Closes windows that do not go on as what was prepared: their definition has ended, or a member's part in them.
   * @param windowsMax so many, at most @returns whether these were all
   */
  closeEnded(windowsMax: number): boolean {
    let left = windowsMax;
    for (const group of this.#groups) {
      const ends = ({ plan, reconfigured }: GroupWindow) => reconfigured || !this.#goesOn(group, plan);
      const ended = group.open.flat().filter(ends);
      if (ended.length === 0) continue;
      if (left === 0) return false;
      const now = new Set(ended.slice(0, left));
      closeEarly(this.#firing, group, (window) => now.has(window), { reconfigured: true });
      left -= now.size;
      if (now.size < ended.length) return false;
    }
    return true;
  }

  /**
   * Changes over to what was prepared, when what does not go on is closed. Windows that mean the same go on with what they have.
   * @param away devices that are in the store only
   */
  rearrange(devices: Iterable<Device>, away: Iterable<MemberClock> = []): void {
    const before = this.#groups;
    const heirs = this.shapes.shaped.map((shaped) => {
      const old = before.find(({ definition }) => definition.name === shaped.definition.name);
      return { old, shaped, heir: this.#heir(old, shaped) };
    });
    for (const group of before) {
      if (heirs.every(({ old }) => old !== group)) this.#past.set(group.definition.name, this.#pastOf(group));
    }
    this.#groups = heirs.map(({ heir }) => heir);
    for (const { heir } of heirs) this.#past.delete(heir.definition.name);
    this.shapes.settle();
    this.#of.clear();
    const wereAway = new Map(this.#away);
    this.#away.clear();
    for (const device of devices) this.join(device);
    for (const clock of away) this.#joinAway(clock, wereAway.get(memberKey(clock)));
  }

  #heir(old: Group | undefined, { definition, plan }: Shaped): Group {
    const name = definition.name;
    if (old === undefined) {
      const fresh = { ...NO_PAST, spent: new Set<string>(), lostThroughMs: this.lostThroughMs };
      return newGroup(definition, plan, this.#past.get(name) ?? fresh);
    }
    const heir = newGroup(definition, plan, this.#pastOf(old));
    for (const window of old.open.flat()) {
      const to = this.shapes.heirOf(definition, window.plan)!;
      const { sealed } = window;
      const cells = newCells(plan.cellCount);
      heir.open[to.index]!.push({
        ...window,
        plan: to,
        queued: false,
        sealed: sealed === undefined ? undefined : translateCells(old.plan, plan, sealed, cells),
      });
    }
    for (const plan of old.plan.windows) {
      const to = this.shapes.heirOf(definition, plan);
      if (to !== undefined) heir.series[to.index] = old.series[plan.index];
    }
    heir.nextDueMs = nextDueMs(heir);
    return heir;
  }

  #goesOn({ definition }: Group, plan: BoundedPlan): boolean {
    return this.shapes.heirOf(definition, plan) !== undefined;
  }

  /** What a group has to remember whose windows are closed that do not go on. */
  #pastOf(group: Group): GroupPast {
    const { earlyToMs, reachedMs, maxTimeMs, late, hurried, spent, lostThroughMs } = group;
    const gone = group.plan.windows.filter((plan) => !this.#goesOn(group, plan));
    const names = gone.map(({ definition }) => definition.name);
    const redefined = redefine(group.redefined, names, throughMsOf(group));
    return { earlyToMs, reachedMs, maxTimeMs, late, hurried, redefined, spent, lostThroughMs };
  }

  /** Puts a stored group in the place of the one without a past that it was prepared with. */
  restore(
    name: string,
    restored: (plan: Plan | undefined) => GroupPast & Partial<Pick<Group, "open" | "series">>,
  ): void {
    const place = this.#groups.findIndex(({ definition }) => definition.name === name);
    const group = this.#groups[place];
    const { open, series, ...past } = restored(group?.plan);
    if (group === undefined) {
      this.#past.set(name, past);
      return;
    }
    const fresh = newGroup(group.definition, group.plan, past);
    const back = { ...fresh, open: open ?? group.open, series: series ?? group.series };
    back.nextDueMs = nextDueMs(back);
    this.#groups[place] = back;
    if (back.series.some((each) => each?.holeMs !== undefined)) this.#isBehind = true;
  }

  /** Whether a device of this name is a member of one that there is. */
  takes(profileId: string, device: string): boolean {
    return this.shapes.partsBefore(profileId, device).length > 0;
  }

  /** Whether a device has told what groups have not looked at yet. */
  holds(device: Device): boolean {
    return this.#touched.has(device);
  }

  left(device: Device): void {
    const memberships = this.#of.get(device);
    if (memberships === undefined) return;
    const { profileId, name, plan, maxTimeMs, idleFloorMs, lastSeenMs } = device;
    const clock = { profileId, name, plan, maxTimeMs, idleFloorMs, lastSeenMs };
    for (const { group, member } of memberships) {
      Object.assign(member, { clock, device: undefined, spans: spansOf(group, device) });
    }
    this.#of.delete(device);
    this.#away.set(memberKey(device), memberships);
  }

  cameBack(device: Device): void {
    const key = memberKey(device);
    const memberships = this.#away.get(key);
    if (memberships === undefined) return;
    for (const { member } of memberships) Object.assign(member, { clock: device, device, spans: NO_SPANS });
    this.#away.delete(key);
    this.#of.set(device, memberships);
  }

  /** Takes in a device that has come up or was stored. */
  join(device: Device): void {
    const groups = this.#groupsOf(device);
    if (groups.length === 0) return;
    this.#of.set(
      device,
      groups.map((group) => ({ group, member: join(group, device, { device, spans: NO_SPANS }) })),
    );
  }

  /** @param before what it was a member of: its parts are where they were */
  #joinAway(clock: MemberClock, before: readonly Membership[] = []): void {
    const groups = this.#groupsOf(clock);
    if (groups.length === 0) return;
    const away = { device: undefined, spans: new Map(before.flatMap(({ member }) => [...member.spans])) };
    this.#away.set(
      memberKey(clock),
      groups.map((group) => ({ group, member: join(group, clock, away) })),
    );
  }

  #groupsOf({ profileId, name }: MemberClock): Group[] {
    const own = new Set(this.shapes.partsBefore(profileId, name).map((part) => part.name));
    return this.#groups.filter(({ parts }) => [...parts.keys()].some((part) => own.has(part)));
  }

  /** Whom a device has to tell in a block; undefined where nobody listens. */
  listenerOf(device: Device, sequence: number): GroupListener | undefined {
    if (this.#of.size === 0 || sequence <= this.replayedThrough || !this.#of.has(device)) return undefined;
    this.#touched.add(device);
    return this;
  }

  /** To be called when all devices have seen a block. */
  afterBlock(block: Block): void {
    const { sequence, processingMs } = block;
    if (sequence <= this.replayedThrough) return;
    this.#isBehind = false;
    for (const device of this.#touched) {
      for (const { group, member } of this.#of.get(device) ?? []) look(group, member, processingMs);
    }
    this.#touched.clear();
    const firing = this.#firingBetween;
    for (const group of this.#groups) {
      if (!advanceGroup(firing, group, block)) this.#isBehind = true;
    }
  }

  /** To be called where devices have told what they close because of a change: nothing of it has to be looked at. */
  afterPortion(): void {
    this.#touched.clear();
  }

  /** Whether time that has passed in silence lets something fire. */
  tickDue(processingMs: number): boolean {
    return this.#groups.some((group) => isDue(group, processingMs));
  }

  /** To be called when all devices have been closed. */
  flush(): void {
    for (const group of this.#groups) closeAll(this.#firing, group);
  }

  handOver(device: Device, part: OpenWindow, cells: Cells, reconfigured: boolean): void {
    for (const { group } of this.#of.get(device) ?? []) {
      const index = group.parts.get(part.plan.definition.name);
      if (index === undefined || group.spent.delete(partKey(device, part))) continue;
      const window = openWindow(group, group.plan.windows[index]!, part);
      if (window === undefined) continue;
      if (cellOf(cells, ACCEPTED_CELL) > 0) window.members++;
      window.sealed ??= newCells(group.plan.cellCount);
      mergeUnordered(group.plan, window.sealed, translated(group, device.plan, cells));
      if (reconfigured) this.#endsBefore(group, window);
    }
  }

  /** A part in a window has ended: the window is to be closed, and others of its definition have ids of their own. */
  #endsBefore(group: Group, window: GroupWindow): void {
    const { definition, index } = window.plan;
    const isFirst = group.open[index]!.every((each) => !each.reconfigured);
    window.reconfigured = true;
    // Where the definition goes, that is remembered when it has.
    if (!isFirst || !this.#goesOn(group, window.plan)) return;
    group.redefined = redefine(group.redefined, [definition.name], throughMsOf(group));
  }

  accepted(device: Device, timeMs: number): void {
    for (const { group } of this.#of.get(device) ?? []) {
      const passed = timeMs < group.reachedMs || timeMs < watermark(device, device.plan);
      if (passed || group.spent.size > 0) noteLate(group, device, timeMs);
    }
  }

  begunAnew(device: Device, timeMs: number, nowMs: number): void {
    for (const { group } of this.#of.get(device) ?? []) beginAnew(this.#firing, group, timeMs, nowMs);
  }

  counts(): GroupCounts[] {
    return this.#groups.map((group) => {
      const { definition, members, open, late, hurried, nextDueMs, checked } = group;
      const first = nextDueMs < Number.POSITIVE_INFINITY ? members[checked] : undefined;
      return {
        name: definition.name,
        members: members.length,
        openWindows: open.reduce((sum, windows) => sum + windows.length, 0),
        late,
        hurried,
        ...(first === undefined ? {} : { waitsFor: `${first.clock.profileId}/${first.clock.name}` }),
      };
    });
  }
}

/** Windows that begin by then may have been emitted. */
function throughMsOf({ maxTimeMs, reachedMs }: Group): number {
  return Math.max(maxTimeMs, reachedMs);
}

function memberKey({ profileId, name }: MemberClock): string {
  return `${profileId}\0${name}`;
}

/** Takes notice of what has become of a member. */
function look(group: Group, member: Member, processingMs: number): void {
  const { device } = member;
  if (device === undefined) return;
  group.maxTimeMs = Math.max(group.maxTimeMs, device.maxTimeMs);
  if (member.place < group.checked && holdsUp(member, group.checkedMs, processingMs)) {
    group.checked = member.place;
  }
  // No window opens without a slice being cut.
  if (member.sliceId === device.nextSliceId) return;
  member.sliceId = device.nextSliceId;
  for (const [name, index] of group.parts) {
    for (const part of partsOf(device, name)) {
      if (!isSpent(group, device, part)) openWindow(group, group.plan.windows[index]!, part);
    }
  }
}
