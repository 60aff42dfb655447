import { type Cells, cellOf, newCells } from "../aggregate/cells.js";
import { shapeGroup } from "../aggregate/group.js";
import { UNKNOWN_DEVICE } from "../model/device-name.js";
import { type GroupDefinition, takesDevice } from "../model/group.js";
import type { EngineProfile } from "../model/profile.js";
import type { Summary } from "../model/summary.js";
import type { WindowDefinition } from "../model/window.js";
import { type Device, type OpenWindow, watermark } from "./device.js";
import {
  finalAtMs,
  type Group,
  type GroupPast,
  type GroupWindow,
  holdsUp,
  isSpent,
  join,
  type Member,
  NO_PAST,
  newGroup,
  partKey,
  partsOf,
  translated,
  windowAt,
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
import type { GroupListener } from "./listener.js";
import { ACCEPTED_CELL, mergeUnordered, type Plan, planProfile, translateCells } from "./plan.js";
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

/** A group as its definition and the profiles make it, before it has members. */
interface Shaped {
  readonly definition: GroupDefinition;
  readonly plan: Plan;
  /** See `GroupShape.parts`. */
  readonly parts: ReadonlyMap<string, readonly WindowDefinition[]>;
}

interface Membership {
  readonly group: Group;
  readonly member: Member;
}

/** All groups of an engine: who is in them, what members tell them, and when they fire. */
export class Groups implements GroupListener, ResidencyHold {
  readonly #on: Omit<GroupFiring, "summaries">;
  readonly #room: Residency;
  /** See `Device.lostThroughMs`. */
  readonly lostThroughMs: readonly number[];
  #summaries: Summary[] = [];
  #definitions: readonly GroupDefinition[] = [];
  #shaped: readonly Shaped[] = [];
  #groups: Group[] = [];
  /** What groups of names that are not defined now remember: their ids must not come again. */
  readonly #past = new Map<string, GroupPast>();
  readonly #of = new Map<Device, readonly Membership[]>();
  /** Of members that are in the store only. */
  readonly #away = new Map<string, readonly Membership[]>();
  readonly #touched = new Set<Device>();
  /** Journal position that the stored groups include; a replay passes over blocks up to there. */
  replayedThrough = 0;

  constructor(on: Omit<GroupFiring, "summaries">, room: Residency, lostThroughMs: readonly number[]) {
    this.#on = on;
    this.#room = room;
    this.lostThroughMs = lostThroughMs;
  }

  get #firing(): GroupFiring {
    return { ...this.#on, summaries: this.#summaries };
  }

  /** As they were given, also those that cannot be with the present profiles. */
  get definitions(): readonly GroupDefinition[] {
    return this.#definitions;
  }

  get groups(): readonly Group[] {
    return this.#groups;
  }

  /** Past lives of groups, by name, of those that are not there. */
  get past(): ReadonlyMap<string, GroupPast> {
    return this.#past;
  }

  /** Where summaries go until further notice. */
  emitTo(summaries: Summary[]): void {
    this.#summaries = summaries;
  }

  /**
   * Takes definitions and profiles to work with from now on. Devices have to be moved to the plans that `partsFor` then
   * gives, while the present groups hear what ends by that; `rearrange` has to follow. A group that cannot be with these profiles is left out.
   */
  prepare(definitions: readonly GroupDefinition[], profiles: readonly EngineProfile[]): void {
    this.#definitions = definitions;
    this.#shaped = definitions.flatMap((definition): Shaped[] => {
      const { problems, profile, parts } = shapeGroup(definition, profiles);
      return problems.length > 0 ? [] : [{ definition, plan: planProfile(profile, this.#room), parts }];
    });
  }

  /** The windows that a device has for its groups. */
  partsFor(profileId: string, device: string): readonly WindowDefinition[] {
    if (device === UNKNOWN_DEVICE) return [];
    return this.#shaped.flatMap(({ definition, parts }) => {
      const own = parts.get(profileId);
      return own !== undefined && takesDevice(definition.members, device) ? own : [];
    });
  }

  /** Changes over to what was prepared. Windows that mean the same go on with what they have, the others are closed. */
  rearrange(devices: Iterable<Device>): void {
    const before = this.#groups;
    const heirs = this.#shaped.map((shaped) => {
      const old = before.find(({ definition }) => definition.name === shaped.definition.name);
      return { old, shaped, heir: this.#heir(old, shaped) };
    });
    for (const group of before) {
      if (heirs.every(({ old }) => old !== group)) this.#past.set(group.definition.name, this.#end(group));
    }
    this.#groups = heirs.map(({ heir }) => heir);
    for (const { heir } of heirs) this.#past.delete(heir.definition.name);
    this.#of.clear();
    this.#away.clear();
    for (const device of devices) this.join(device);
  }

  #heir(old: Group | undefined, { definition, plan }: Shaped): Group {
    const name = definition.name;
    if (old === undefined) {
      const fresh = { ...NO_PAST, spent: new Set<string>(), lostThroughMs: this.lostThroughMs };
      return newGroup(definition, plan, this.#past.get(name) ?? fresh);
    }
    const heirOf = (window: GroupWindow) =>
      plan.windows.find(({ signature }) => signature === window.plan.signature);
    const past = this.#end(old, (window) => window.reconfigured || heirOf(window) === undefined);
    const heir = newGroup(definition, plan, past);
    for (const window of old.open.flat()) {
      const to = heirOf(window)!;
      const { sealed } = window;
      const cells = newCells(plan.cellCount);
      heir.open[to.index]!.push({
        ...window,
        plan: to,
        queued: false,
        sealed: sealed === undefined ? undefined : translateCells(old.plan, plan, sealed, cells),
      });
    }
    heir.nextDueMs = nextDueMs(heir);
    return heir;
  }

  /** Closes windows because their definition has ended. @returns what goes on */
  #end(group: Group, which: (window: GroupWindow) => boolean = () => true): GroupPast {
    const closed = closeEarly(this.#firing, group, which, { reconfigured: true });
    const names = [...new Set(closed.map(({ plan }) => plan.definition.name))];
    const { reachedMs, maxTimeMs, late, hurried, spent, lostThroughMs } = group;
    const throughMs = Math.max(maxTimeMs, reachedMs);
    const kept = this.#shaped.find(({ definition }) => definition.name === group.definition.name);
    const gone = group.plan.windows
      .filter(({ signature }) => kept?.plan.windows.every((plan) => plan.signature !== signature) !== false)
      .map(({ definition }) => definition.name);
    const redefined = redefine(group.redefined, [...new Set([...names, ...gone])], throughMs);
    return { reachedMs, maxTimeMs, late, hurried, redefined, spent, lostThroughMs };
  }

  /** Puts a stored group in the place of the one without a past that it was prepared with. */
  restore(
    name: string,
    restored: (plan: Plan | undefined) => GroupPast & Partial<Pick<Group, "open">>,
  ): void {
    const place = this.#groups.findIndex(({ definition }) => definition.name === name);
    const group = this.#groups[place];
    const { open, ...past } = restored(group?.plan);
    if (group === undefined) {
      this.#past.set(name, past);
      return;
    }
    const back = { ...newGroup(group.definition, group.plan, past), open: open ?? group.open };
    back.nextDueMs = nextDueMs(back);
    this.#groups[place] = back;
  }

  /** Whether a device in memory is a member of one. */
  has(device: Device): boolean {
    return this.#of.has(device);
  }

  /** Whether a device of this name is to be one. */
  takes(profileId: string, device: string): boolean {
    return this.partsFor(profileId, device).length > 0;
  }

  /** Whether a device gathers for a window of a group, or has told what groups have not looked at yet. */
  holds(device: Device): boolean {
    if (this.#touched.has(device)) return true;
    return (this.#of.get(device) ?? []).some(({ group }) =>
      [...group.parts.keys()].some((name) => partsOf(device, name).length > 0),
    );
  }

  left(device: Device): void {
    const memberships = this.#of.get(device);
    if (memberships === undefined) return;
    const { profileId, name, plan, maxTimeMs, idleFloorMs, lastSeenMs } = device;
    const clock = { profileId, name, plan, maxTimeMs, idleFloorMs, lastSeenMs };
    for (const { member } of memberships) Object.assign(member, { clock, device: undefined });
    this.#of.delete(device);
    this.#away.set(memberKey(device), memberships);
  }

  cameBack(device: Device): void {
    const key = memberKey(device);
    const memberships = this.#away.get(key);
    if (memberships === undefined) return;
    for (const { member } of memberships) Object.assign(member, { clock: device, device });
    this.#away.delete(key);
    this.#of.set(device, memberships);
  }

  /** Takes in a device that has come up or was stored. */
  join(device: Device): void {
    const own = new Set(this.partsFor(device.profileId, device.name).map(({ name }) => name));
    if (own.size === 0) return;
    const groups = this.#groups.filter(({ parts }) => [...parts.keys()].some((name) => own.has(name)));
    this.#of.set(
      device,
      groups.map((group) => ({ group, member: join(group, device) })),
    );
  }

  /** Whom a device has to tell in a block; undefined where nobody listens. */
  listenerOf(device: Device, sequence: number): GroupListener | undefined {
    if (this.#of.size === 0 || sequence <= this.replayedThrough || !this.#of.has(device)) return undefined;
    this.#touched.add(device);
    return this;
  }

  /** To be called when all devices have seen a block. */
  afterBlock(sequence: number, processingMs: number): void {
    if (sequence <= this.replayedThrough) return;
    for (const device of this.#touched) {
      for (const { group, member } of this.#of.get(device) ?? []) look(group, member, processingMs);
    }
    this.#touched.clear();
    const firing = { ...this.#firing, relieve: () => void this.#room.relieve() };
    for (const group of this.#groups) advanceGroup(firing, group, processingMs);
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
      window.reconfigured ||= reconfigured;
    }
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

function memberKey({ profileId, name }: Device): string {
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

/** A reading has come for a time that the group, or its device, has passed: windows change, or it is too late. */
function noteLate(group: Group, device: Device, timeMs: number): void {
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
