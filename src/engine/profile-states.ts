import { WeirError } from "../model/errors.js";
import { type GroupDefinition, takesDevice, takesProfile } from "../model/group.js";
import type { EngineProfile } from "../model/profile.js";
import type { WindowDefinition } from "../model/window.js";
import { createCleaner } from "./clean.js";
import { type Plan, planProfile } from "./plan.js";
import type { ProfileState, Redefining } from "./profile-state.js";
import type { Residency } from "./residency.js";
import { Roster } from "./roster.js";
import { hashText } from "./value-hash.js";

/** The profiles that an engine knows, and the plans of their devices. */
export class ProfileStates {
  readonly #residency: Residency;
  readonly #partsFor: (profileId: string, device: string) => readonly WindowDefinition[];
  readonly #byId = new Map<string, ProfileState>();
  readonly #byHash = new Map<string, ProfileState>();

  /** @param partsFor the windows that a device has for its groups */
  constructor(
    residency: Residency,
    partsFor: (profileId: string, device: string) => readonly WindowDefinition[],
  ) {
    this.#residency = residency;
    this.#partsFor = partsFor;
  }

  all(): Iterable<ProfileState> {
    return this.#byId.values();
  }

  get(id: string): ProfileState | undefined {
    return this.#byId.get(id);
  }

  ofHash(hash: string): ProfileState | undefined {
    return this.#byHash.get(hash);
  }

  /** The profiles without the retired ones. */
  inForce(): readonly EngineProfile[] {
    return [...this.#byId.values()].filter(({ retired }) => !retired).map(({ plan }) => plan.profile);
  }

  /** @throws WeirError `profile-known` */
  add(profile: EngineProfile): ProfileState {
    if (this.#byId.has(profile.id)) {
      throw new WeirError("profile-known", `profile "${profile.id}" is known already`);
    }
    const state: ProfileState = {
      plan: planProfile(profile, this.#residency),
      plans: new Map(),
      cleaner: createCleaner(profile),
      retired: false,
      devices: new Map(),
      away: new Roster(),
    };
    this.#residency.add(state);
    this.#byId.set(profile.id, state);
    this.#byHash.set(profile.hash, state);
    return state;
  }

  /** Makes a profile known, or puts it in the place of the one of the same id; devices keep the plan that they have. */
  define(profile: EngineProfile): ProfileState {
    const state = this.#byId.get(profile.id);
    if (state === undefined) return this.add(profile);
    this.#byHash.delete(state.plan.profile.hash);
    this.#byHash.set(profile.hash, state);
    state.plan = planProfile(profile, this.#residency);
    state.plans.clear();
    state.cleaner = createCleaner(profile);
    state.retired = false;
    return state;
  }

  /** How slices of a device of this name are laid out and cut. */
  planFor(state: ProfileState, device: string): Plan {
    const { profile } = state.plan;
    const parts = this.#partsFor(profile.id, device);
    if (parts.length === 0) return state.plan;
    const key = hashText(JSON.stringify(parts)).toString(36);
    const known = state.plans.get(key);
    if (known !== undefined) return known;
    const windows = [...profile.windows, ...parts];
    const plan = planProfile({ ...profile, hash: `${profile.hash}+${key}`, windows }, this.#residency);
    state.plans.set(key, plan);
    return plan;
  }
}

/** Whether a device of a profile may get another plan by a change, or lose its place in a group. @param groups until now */
export function concernedBy(
  change: Redefining,
  groups: readonly GroupDefinition[],
  profile: EngineProfile,
): (device: string) => boolean {
  const { profiles = [], retired = [] } = change;
  const changes = profiles.some(({ id }) => id === profile.id) || retired.includes(profile.id);
  const own = [...groups, ...(change.groups ?? [])].filter(({ members }) => takesProfile(members, profile));
  return (device) => changes || own.some(({ members }) => takesDevice(members, device));
}
