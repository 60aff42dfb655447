import { WeirError } from "../model/errors.js";
import type { EngineProfile } from "../model/profile.js";
import type { WindowDefinition } from "../model/window.js";
import { createCleaner } from "./clean.js";
import type { Device } from "./device.js";
import { type Plan, planProfile } from "./plan.js";
import type { Earlier, ProfileState, Replacement } from "./profile-state.js";
import type { Residency } from "./residency.js";
import { Roster } from "./roster.js";
import { hashText } from "./value-hash.js";

/** Tells the windows that a device has for its groups. */
export interface Parts {
  partsFor(profileId: string, device: string): readonly WindowDefinition[];
  /** Those that it had before a change that is under way. */
  partsBefore(profileId: string, device: string): readonly WindowDefinition[];
}

/** The profiles that an engine knows, and the plans of their devices. */
export class ProfileStates {
  readonly #residency: Residency;
  readonly #groups: Parts;
  readonly #byId = new Map<string, ProfileState>();
  readonly #byHash = new Map<string, ProfileState>();

  constructor(residency: Residency, groups: Parts) {
    this.#residency = residency;
    this.#groups = groups;
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

  /** A device that is in memory. */
  present(hash: string, name: string): Device | undefined {
    return this.#byHash.get(hash)?.devices.get(name);
  }

  /** The profiles without the retired ones. */
  inForce(): readonly EngineProfile[] {
    return [...this.#byId.values()].filter(({ retired }) => !retired).map(({ definition }) => definition);
  }

  /** @throws WeirError `profile-known` */
  add(profile: EngineProfile): ProfileState {
    if (this.#byId.has(profile.id)) {
      throw new WeirError("profile-known", `profile "${profile.id}" is known already`);
    }
    const state: ProfileState = {
      definition: profile,
      plan: planProfile(profile, this.#residency),
      plans: new Map(),
      earlier: undefined,
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
  define(profile: EngineProfile): void {
    const state = this.#byId.get(profile.id);
    if (state === undefined) this.add(profile);
    else this.#replace(state, profile, false);
  }

  /** Takes a profile out of force: it has no windows any more. */
  retire(id: string): void {
    const state = this.#byId.get(id);
    if (state !== undefined && !state.retired) this.#replace(state, state.definition, true);
  }

  #replace(state: ProfileState, profile: EngineProfile, retired: boolean): void {
    const { plan, plans, retired: wasRetired } = state;
    state.earlier = { plan, plans, hash: state.definition.hash, retired: wasRetired };
    this.#byHash.delete(state.definition.hash);
    this.#byHash.set(profile.hash, state);
    state.definition = profile;
    // With a hash of its own, so that records tell which of the two they were stored under.
    const form = retired ? { ...profile, hash: `${profile.hash}/retired`, windows: [] } : profile;
    state.plan = planProfile(form, this.#residency);
    state.plans = new Map();
    state.cleaner = createCleaner(profile);
    state.retired = retired;
  }

  /** The definitions in whose place others have come that devices are changing over to. */
  replacements(): Replacement[] {
    return [...this.#byId.values()].flatMap(({ earlier, definition }) =>
      earlier === undefined ? [] : [{ from: earlier.hash, to: definition.hash, retired: earlier.retired }],
    );
  }

  forgetEarlier(): void {
    for (const state of this.#byId.values()) state.earlier = undefined;
  }

  /** How a stored device is laid out; undefined where no definition is known that it could have been stored under. */
  planOfStored(state: ProfileState, device: string, hash: string): Plan | undefined {
    const plans = [this.planBefore(state, device), this.planFor(state, device)];
    return plans.find(({ profile }) => profile.hash === hash);
  }

  /** How slices of a device of this name are laid out and cut. */
  planFor(state: ProfileState, device: string): Plan {
    return this.#planWith(state, this.#groups.partsFor(state.definition.id, device));
  }

  /** The same before a change that is under way. */
  planBefore(state: ProfileState, device: string): Plan {
    return this.#planWith(state.earlier ?? state, this.#groups.partsBefore(state.definition.id, device));
  }

  #planWith(
    { plan: alone, plans }: Pick<Earlier, "plan" | "plans">,
    parts: readonly WindowDefinition[],
  ): Plan {
    if (parts.length === 0) return alone;
    const key = hashText(JSON.stringify(parts)).toString(36);
    const known = plans.get(key);
    if (known !== undefined) return known;
    const { profile } = alone;
    const windows = [...profile.windows, ...parts];
    const plan = planProfile({ ...profile, hash: `${profile.hash}+${key}`, windows }, this.#residency);
    plans.set(key, plan);
    return plan;
  }
}
