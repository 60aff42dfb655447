import { WeirError } from "../model/errors.js";
import { type GroupDefinition, takesProfile } from "../model/group.js";
import { LIMITS } from "../model/limits.js";
import type { Summary } from "../model/summary.js";
import type { Device } from "./device.js";
import type { MemberClock, Recall } from "./group.js";
import type { Groups } from "./groups.js";
import type { Plan } from "./plan.js";
import type { ProfileState, Redefining, Replacement } from "./profile-state.js";
import type { ProfileStates } from "./profile-states.js";
import type { Residency } from "./residency.js";
import { decodeDeviceHeader } from "./snapshot.js";
import type { Firing } from "./summarise.js";

/**
 * How the devices of an engine change over to other definitions, with no more of them in memory at a time than the
 * bound allows.
 *
 * It begins between two blocks, and no block is applied until it has ended. First the new definitions are in force.
 * Then the devices follow in portions. A portion ends when memory has no room for more, or when what it has to store is
 * enough for one batch; of a device with more windows to close than one share is for (share.ts) it has only these. Each
 * device is a machine of its own, so what it closes is the same bytes whenever its turn comes.
 *
 * What a member closes it hands over to its groups, which stay as they were until all members have changed over. Then they
 * close what does not go on, in portions too, and with the last one they are rearranged. What members hand over is merged
 * exactly and in any order, so it does not matter how they fell into portions either.
 *
 * Whoever stores the state writes the beginning in one batch: new definitions, and what was in force before; then each
 * portion with the summaries that it caused. So after a crash a device is found either under the definition of
 * before, with nothing said, or under that of after, and groups are found under that of before. An engine that is given
 * what was before, and then begins the same change, goes on with it.
 */
export interface Changing {
  readonly profiles: ProfileStates;
  readonly groups: Groups;
  readonly residency: Residency;
  /** A new place for summaries, of groups too. */
  readonly listen: () => Summary[];
  /** Brings back a device by the plan that it was stored under. */
  readonly recall: Recall;
  /** Moves a device to another plan. @returns whether it has, or else has more to say before */
  readonly move: (device: Device, to: Plan, on: Moving) => boolean;
  /** Windows of a device, or of groups, that are closed at a time. */
  readonly shareMax: number;
}

/** Where a device says what it closes, and how much of it at a time. */
export type Moving = Pick<Firing, "summaries" | "shareMax">;

/** Some devices that have changed over; to be stored before the next. */
export interface Portion {
  readonly summaries: Summary[];
  /** Whether every device has changed over now. */
  readonly isLast: boolean;
}

/** What was in force before a change that is under way, as far as it is not now; kept with the state. */
export interface Before {
  readonly profiles: readonly Replacement[];
  /** Hashes of profiles that were not there. */
  readonly added: readonly string[];
  readonly groups: readonly GroupDefinition[];
}

export class Changeover {
  readonly #on: Changing;
  #added: readonly string[] = [];
  /** Whether groups may get another shape, or devices other plans because of them. */
  #regroups = false;
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

  /** What was in force before. */
  before(): Before {
    const { profiles, groups } = this.#on;
    return {
      profiles: profiles.replacements(),
      added: this.#added,
      groups: groups.shapes.definitionsBefore,
    };
  }

  /** Takes on new definitions of profiles and groups. @throws WeirError `change-unfinished` */
  begin(change: Redefining): void {
    if (this.isUnderWay) throw new WeirError("change-unfinished", "devices are still changing over");
    const { profiles, groups } = this.#on;
    const { profiles: defined = [], retired = [] } = change;
    this.#regroups = this.#concernsGroups(change);
    this.#added = defined.filter(({ id }) => profiles.get(id) === undefined).map(({ hash }) => hash);
    for (const profile of defined) profiles.define(profile);
    for (const id of retired) profiles.retire(id);
    if (this.#regroups) groups.shapes.prepare(change.groups ?? groups.shapes.definitions, profiles.inForce());
    this.#hasMoved = true;
    if (this.#regroups || profiles.replacements().length > 0) this.#left = this.#unmoved();
  }

  /** Moves the next devices, or closes what groups do not go on with. */
  portion(): Portion {
    const { profiles, groups, residency, listen, move, shareMax } = this.#on;
    const summaries = listen();
    let bytes = 0;
    for (;;) {
      const device = this.#left?.next(this.#hasMoved).value;
      if (device === undefined) return { summaries, isLast: this.#end() };
      const { usedAt } = device;
      const to = profiles.planFor(profiles.get(device.profileId)!, device.name);
      this.#hasMoved = move(device, to, { summaries, shareMax });
      groups.afterPortion();
      // Who was cold is cold.
      device.usedAt = usedAt;
      bytes += residency.bytesOf(device);
      const isFull = bytes >= LIMITS.portionBytesMax || summaries.length >= LIMITS.portionSummariesMax;
      if (!residency.relieve() || isFull || !this.#hasMoved) return { summaries, isLast: false };
    }
  }

  /** When every device has changed over. @returns whether groups have too, or else have more to close */
  #end(): boolean {
    const { profiles, groups, shareMax } = this.#on;
    if (this.#regroups) {
      if (!groups.closeEnded(shareMax)) return false;
      const inMemory = [...profiles.all()].flatMap(({ devices }) => [...devices.values()]);
      groups.rearrange(inMemory, this.#awayMembers());
    }
    this.#left = undefined;
    profiles.forgetEarlier();
    return true;
  }

  /**
   * Those in memory first: when they have changed over, whoever leaves memory has. Of the others each is
   * brought back, unless it is one of these.
   */
  *#unmoved(): Generator<Device, void, boolean> {
    const { profiles, residency } = this.#on;
    for (const state of profiles.all()) {
      if (state.earlier === undefined && !this.#regroups) continue;
      for (const device of state.devices.values()) {
        if (device.plan !== profiles.planFor(state, device.name))
          yield* this.#untilMoved(state, device, device.plan);
      }
      for (const row of state.away.rows()) {
        const name = state.away.nameOf(row);
        const plan = profiles.planBefore(state, name);
        if (plan === profiles.planFor(state, name)) continue;
        const { profileHash } = decodeDeviceHeader(residency.recordOf(state, row));
        if (profileHash === plan.profile.hash) yield* this.#untilMoved(state, name, plan);
      }
    }
  }

  /** It may leave memory between two portions. */
  *#untilMoved(state: ProfileState, which: Device | string, plan: Plan): Generator<Device, void, boolean> {
    const { recall } = this.#on;
    const profileId = state.definition.id;
    let device = typeof which === "string" ? recall({ profileId, name: which, plan }) : which;
    while (!(yield device)) {
      if (state.away.find(device.name) >= 0) device = recall({ profileId, name: device.name, plan });
    }
  }

  /** Whether a change may give a group another shape, or a device of a group another plan. */
  #concernsGroups({ profiles = [], retired = [], groups }: Redefining): boolean {
    const { definitions } = this.#on.groups.shapes;
    if (groups !== undefined && JSON.stringify(groups) !== JSON.stringify(definitions)) return true;
    const ids = [...profiles.map(({ id }) => id), ...retired];
    const before = ids.flatMap((id) => this.#on.profiles.get(id)?.definition ?? []);
    return definitions.some(({ members }) =>
      [...profiles, ...before].some((profile) => takesProfile(members, profile)),
    );
  }

  /** Of members that are in the store only, by the new definitions, what decides whether they hold a group up. */
  *#awayMembers(): Generator<MemberClock> {
    const { profiles, groups, residency } = this.#on;
    for (const state of profiles.all()) {
      for (const row of state.away.rows()) {
        const name = state.away.nameOf(row);
        if (groups.shapes.partsFor(state.definition.id, name).length === 0) continue;
        const { profileId, maxTimeMs, idleFloorMs, lastSeenMs } = decodeDeviceHeader(
          residency.recordOf(state, row),
        );
        const plan = profiles.planFor(state, name);
        yield { profileId, name, plan, maxTimeMs, idleFloorMs, lastSeenMs };
      }
    }
  }
}
