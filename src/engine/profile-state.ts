import type { Cleaner } from "./clean.js";
import type { Device } from "./device.js";
import type { Plan } from "./plan.js";
import type { Roster } from "./roster.js";

/** A profile and the devices that speak it. */
export interface ProfileState {
  plan: Plan;
  cleaner: Cleaner;
  /** Its windows are closed and it takes nothing in; only the counts of its devices are kept. */
  retired: boolean;
  /** Those in memory. */
  readonly devices: Map<string, Device>;
  /** Those that are, or were, in the store only. */
  readonly away: Roster;
}
