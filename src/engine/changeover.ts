import { WeirError } from "../model/errors.js";
import { type GroupDefinition, takesDevice, takesProfile } from "../model/group.js";
import { LIMITS } from "../model/limits.js";
import type { EngineProfile } from "../model/profile.js";
import type { Summary } from "../model/summary.js";
import type { Device } from "./device.js";
import type { Groups } from "./groups.js";
import type { Plan } from "./plan.js";
import type { ProfileState, Redefining, Replacement } from "./profile-state.js";
import type { ProfileStates } from "./profile-states.js";
import type { Residency } from "./residency.js";
import { decodeDeviceHeader } from "./snapshot.js";

/**
 * How the devices of an engine change over to other definitions, with no more of them in memory at a time than the
 * bound allows.
 *
 * It begins between two blocks, and no block is applied until it has ended. First the new definitions are in force, and
 * groups are rearranged where it concerns them. What a member closes it hands over, and a group closes its windows
 * when it has all of that; so the members of these groups change over in this step, all of them in memory. The other
 * devices follow in portions. A portion ends when memory has no room for more, or when what it has to store is enough
 * for one batch; of a device with more windows to close than one share is for (share.ts) it has only these. Each
 * device is a machine of its own, so what it closes is the same bytes whenever its turn comes.
 *
 * Whoever stores the state writes the beginning in one batch: new definitions, what they replace, groups and members;
 * then each portion with the summaries that it caused. So after a crash a device is found either under the definition of
 * before, with nothing said, or under that of after. `resume` takes up what was begun.
 */
export interface Changing {
  readonly profiles: ProfileStates;
  readonly groups: Groups;
  readonly residency: Residency;
  /** A new place for summaries. */
  readonly listen: () => Summary[];
  /** Brings back a device that is in the store only. @param plan that it was stored under */
  readonly comeBack: (state: ProfileState, row: number, plan: Plan) => Device;
  /** Moves a device to another plan. @returns whether it has, or else has more to say before */
  readonly move: (device: Device, to: Plan, summaries: Summary[]) => boolean;
}

/** Some devices that have changed over; to be stored before the next. */
export interface Portion {
  readonly summaries: Summary[];
  /** Whether every device has changed over now. */
  readonly isLast: boolean;
}

export class Changeover {
  readonly #on: Changing;
  /** Is told whether the device of before has moved. */
  #left: Iterator<Device, void, boolean> | undefined;
  #hasMoved = true;

  constructor(on: Changing) {
    this.#on = on;
  }

  /** Whether devices have yet to change over. */
  get isUnderWay(): boolean {
    return this.#left !== undefined;
  }

  /** The definitions that devices may still be stored under. */
  replacements(): readonly Replacement[] {
    return [...this.#on.profiles.all()].flatMap(({ earlier, definition }) =>
      earlier === undefined ? [] : [{ from: earlier.hash, to: definition.hash, retired: earlier.retired }],
    );
  }

  /**
   * Takes on new definitions of profiles and groups. @returns what the groups concerned have closed
   * @throws WeirError `change-unfinished`
   */
  begin(change: Redefining): Summary[] {
    if (this.isUnderWay) throw new WeirError("change-unfinished", "devices are still changing over");
    const { profiles, groups, listen } = this.#on;
    const summaries = listen();
    const isRegrouped = this.#concernsGroups(change);
    // By the definitions that they were stored under.
    if (isRegrouped) this.#bringBackMembers(change);
    for (const profile of change.profiles ?? []) profiles.define(profile);
    for (const id of change.retired ?? []) profiles.retire(id);
    if (isRegrouped) this.#regroup(change.groups ?? groups.definitions, summaries);
    this.#goOn();
    return summaries;
  }

  /** Says that devices may be stored under a definition of before, because a crash came while they changed over. */
  resume(earlier: EngineProfile, { retired }: Pick<Replacement, "retired">): void {
    this.#on.profiles.setEarlier(earlier, retired);
    this.#goOn();
  }

  #goOn(): void {
    if (this.replacements().length > 0) this.#left = this.#unmoved();
  }

  /** Moves the next devices. */
  portion(): Portion {
    const { profiles, residency, listen, move } = this.#on;
    const summaries = listen();
    let bytes = 0;
    for (;;) {
      const device = this.#left?.next(this.#hasMoved).value;
      if (device === undefined) {
        this.#left = undefined;
        profiles.forgetEarlier();
        return { summaries, isLast: true };
      }
      const { usedAt } = device;
      const to = profiles.planFor(profiles.get(device.profileId)!, device.name);
      this.#hasMoved = move(device, to, summaries);
      // Who was cold is cold.
      device.usedAt = usedAt;
      bytes += residency.bytesOf(device);
      const isFull = bytes >= LIMITS.portionBytesMax || summaries.length >= LIMITS.portionSummariesMax;
      if (!residency.relieve() || isFull || !this.#hasMoved) return { summaries, isLast: false };
    }
  }

  /**
   * Those in memory first: when they have changed over, whoever leaves memory has. Of the others each is
   * brought back, unless it is one of these.
   */
  *#unmoved(): Generator<Device, void, boolean> {
    const { profiles, residency } = this.#on;
    for (const state of profiles.all()) {
      const { earlier, devices, away } = state;
      if (earlier === undefined) continue;
      for (const device of devices.values()) {
        if (device.plan === earlier.plan) yield* this.#untilMoved(state, device, earlier.plan);
      }
      for (const row of away.rows()) {
        const { profileHash } = decodeDeviceHeader(residency.recordOf(state, row));
        if (profileHash === earlier.plan.profile.hash) yield* this.#untilMoved(state, row, earlier.plan);
      }
    }
  }

  /** It may leave memory between two portions. */
  *#untilMoved(state: ProfileState, which: Device | number, plan: Plan): Generator<Device, void, boolean> {
    const back = (row: number): Device => Object.assign(this.#on.comeBack(state, row, plan), { usedAt: 0 });
    let device = typeof which === "number" ? back(which) : which;
    while (!(yield device)) {
      const row = state.away.find(device.name);
      if (row >= 0) device = back(row);
    }
  }

  /** Whether a change may give a group another shape, or a device of a group another plan. */
  #concernsGroups({ profiles = [], retired = [], groups }: Redefining): boolean {
    const { definitions } = this.#on.groups;
    if (groups !== undefined && JSON.stringify(groups) !== JSON.stringify(definitions)) return true;
    const ids = [...profiles.map(({ id }) => id), ...retired];
    const before = ids.flatMap((id) => this.#on.profiles.get(id)?.definition ?? []);
    return definitions.some(({ members }) =>
      [...profiles, ...before].some((profile) => takesProfile(members, profile)),
    );
  }

  /** Those of today, and those of the definitions to come. */
  #bringBackMembers({ profiles = [], groups = [] }: Redefining): void {
    const all = [...this.#on.groups.definitions, ...groups];
    for (const state of this.#on.profiles.all()) {
      const forms = [state.definition, ...profiles.filter(({ id }) => id === state.definition.id)];
      const own = all.filter(({ members }) => forms.some((profile) => takesProfile(members, profile)));
      if (own.length === 0) continue;
      for (const row of state.away.rows()) {
        const name = state.away.nameOf(row);
        if (!own.some(({ members }) => takesDevice(members, name))) continue;
        this.#on.comeBack(state, row, this.#on.profiles.planFor(state, name));
      }
    }
  }

  #regroup(definitions: readonly GroupDefinition[], summaries: Summary[]): void {
    const { profiles, groups, move } = this.#on;
    groups.prepare(definitions, profiles.inForce());
    for (const state of profiles.all()) {
      for (const device of state.devices.values()) {
        if (!groups.has(device) && !groups.takes(device.profileId, device.name)) continue;
        const to = profiles.planFor(state, device.name);
        // What is told to groups that are rearranged, in one step.
        if (to !== device.plan) while (!move(device, to, summaries));
      }
    }
    groups.rearrange([...profiles.all()].flatMap(({ devices }) => [...devices.values()]));
  }
}
