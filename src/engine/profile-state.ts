import type { GroupDefinition } from "../model/group.js";
import type { EngineProfile } from "../model/profile.js";
import type { Cleaner } from "./clean.js";
import type { Device } from "./device.js";
import type { Plan } from "./plan.js";
import type { Roster } from "./roster.js";

/** A profile and the devices that speak it. */
export interface ProfileState {
  /** In force, or retired. */
  definition: EngineProfile;
  /** Of its devices that are in no group. */
  plan: Plan;
  /** Of those that are, by the windows that they have for their groups. */
  plans: Map<string, Plan>;
  /** What devices may still be under while they change over (changeover.ts). */
  earlier: Earlier | undefined;
  cleaner: Cleaner;
  /** Its windows are closed and it takes nothing in; only the counts of its devices are kept. */
  retired: boolean;
  /** Those in memory. */
  readonly devices: Map<string, Device>;
  /** Those that are, or were, in the store only. */
  readonly away: Roster;
}

/** A definition in whose place another has come. */
export interface Earlier {
  readonly plan: Plan;
  readonly plans: Map<string, Plan>;
  readonly hash: string;
  readonly retired: boolean;
}

/** The same, as it is kept with the state. */
export interface Replacement {
  /** Hash of the definition of before. */
  readonly from: string;
  /** Of the one that has come in its place; the same where a profile is retired, or comes back as it was. */
  readonly to: string;
  /** Whether the one of before was retired. */
  readonly retired: boolean;
}

/** What changes of what the engine works by. */
export interface Redefining {
  /** New ones, and new definitions of those that there are. */
  readonly profiles?: readonly EngineProfile[];
  /** Ids of those that are there no longer. */
  readonly retired?: readonly string[];
  /** All groups, in the place of those before. */
  readonly groups?: readonly GroupDefinition[];
}
