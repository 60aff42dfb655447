import { WeirError } from "../model/errors.js";
import type { EngineProfile } from "../model/profile.js";
import type { WindowDefinition } from "../model/window.js";
import { createCleaner } from "./clean.js";
import type { Device } from "./device.js";
import { type Plan, planProfile } from "./plan.js";
import type { ProfileState } from "./profile-state.js";
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
    if (state.devices.size + state.away.size > 0) {
      state.earlier = { plan: state.plan, hash: state.definition.hash, retired: state.retired };
    }
    this.#byHash.delete(state.definition.hash);
    this.#byHash.set(profile.hash, state);
    state.definition = profile;
    state.plan = this.#plan(profile, retired);
    state.plans.clear();
    state.cleaner = createCleaner(profile);
    state.retired = retired;
  }

  #plan(profile: EngineProfile, retired: boolean): Plan {
    // With a hash of its own, so that records tell which of the two they were stored under.
    const form = retired ? { ...profile, hash: `${profile.hash}/retired`, windows: [] } : profile;
    return planProfile(form, this.#residency);
  }

  /** Says what devices of a profile may still be under. */
  setEarlier(profile: EngineProfile, retired: boolean): void {
    const state = this.#byId.get(profile.id)!;
    state.earlier = { plan: this.#plan(profile, retired), hash: profile.hash, retired };
  }

  forgetEarlier(): void {
    for (const state of this.#byId.values()) state.earlier = undefined;
  }

  /** How a stored device is laid out; undefined where no definition is known that it could have been stored under. */
  planOfStored(state: ProfileState, device: string, hash: string): Plan | undefined {
    const { earlier } = state;
    if (hash === earlier?.plan.profile.hash) return earlier.plan;
    const plan = this.planFor(state, device);
    return plan.profile.hash === hash ? plan : undefined;
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
