import type { Block, BootClock, ReadingGroup } from "../model/block.js";
import { WeirError } from "../model/errors.js";
import type { EngineProfile } from "../model/profile.js";
import { REASON_CODE } from "../model/reasons.js";
import type { Summary } from "../model/summary.js";
import { type Cleaner, createCleaner } from "./clean.js";
import { countsOf, type DeviceCounts } from "./counts.js";
import { type Device, newDevice } from "./device.js";
import { DoubleHeap } from "./double-heap.js";
import { fireEarly } from "./early.js";
import { advance, closeWindow, dropAll, fireChanged } from "./firing.js";
import { advanceFolds, closeFolds, renewFolds } from "./fold-firing.js";
import { Groups } from "./groups.js";
import { placed, release, settingClock } from "./held.js";
import { idleFloor } from "./idle.js";
import { type Ingest, ingestGroup, reject } from "./ingest.js";
import { type Plan, planProfile } from "./plan.js";
import type { ProfileState, Redefining } from "./profile-state.js";
import { reconfigureDevice } from "./reconfigure.js";
import { aheadOfClock } from "./set-back.js";
import type { Firing } from "./summarise.js";
import { hashText } from "./value-hash.js";

/**
 * The engine: a deterministic state machine from blocks of readings to summaries. It does no I/O, reads no clock
 * and rolls no dice, so the same blocks give the same summaries, byte for byte: recovery is replay, and years of
 * a gateway's life can be run in seconds.
 *
 * Each device is a machine of its own: its watermark, slices, windows, duplicate filters and counters depend on
 * its own readings only. So devices may be stored at different journal positions (`Device.replayedThrough`), split
 * over gateways, and merged again. What devices have in common, groups (group.ts) gather from what they are told.
 *
 * Time comes in three kinds. Event time orders readings and closes windows. Arrival time (wall clock) stands in
 * where there is no event time and bounds how wrong one may be. Processing time (`Block.processingMs`) measures
 * silence; it stands still while the agent is down or pushing back, so neither ages a device.
 */
export interface EngineOptions {
  readonly gateway: string;
  /** More devices than this are refused, each reading counted as `overLimit`. */
  readonly devicesMax: number;
  /** Emit final revisions only, for those who read to the end anyway. */
  readonly finalOnly?: boolean;
  /** What states before this one have lost. */
  readonly losses?: readonly LostState[];
  /** Emit summaries with the state that merging them needs; it costs about as much as the rest of a firing. */
  readonly mergeable?: boolean;
}

/** A state that was lost. Windows that begin by then may have been emitted from it. */
export interface LostState {
  readonly throughMs: number;
  /** Later times, by device. */
  readonly ahead: ReadonlyMap<string, number>;
}

/** The device that readings are booked under when `devicesMax` is reached, or when their device is not known. */
export const UNKNOWN_DEVICE = "?";

export class Engine {
  readonly #options: EngineOptions;
  readonly #heap = new DoubleHeap();
  readonly #byId = new Map<string, ProfileState>();
  readonly #byHash = new Map<string, ProfileState>();
  #deviceCount = 0;
  #sequence = 0;
  /** Devices that have changed since they were last stored. */
  readonly dirty = new Set<Device>();
  /** Devices with readings that wait for the clock to be set. */
  readonly #holding = new Set<Device>();

  readonly groups: Groups;
  /** What the group before it in the block was taken in with. */
  #last: Ingest | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { gateway, finalOnly = false, mergeable = false, losses = [] } = options;
    const lostThroughMs = losses.map(({ throughMs, ahead }) => Math.max(throughMs, ...ahead.values()));
    this.groups = new Groups({ gateway, finalOnly, mergeable }, this.#heap, lostThroughMs);
  }

  /** Position of the last block applied. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Goes on behind a state that was restored; blocks that come next are beyond `sequence`. */
  resumeAt(sequence: number): void {
    this.#sequence = Math.max(this.#sequence, sequence);
  }

  /** Whether readings wait for the clock to be set. */
  get isHolding(): boolean {
    return this.#holding.size > 0;
  }

  /** What waits for the clock to be set: of one device, and in bytes of memory of all. */
  heldOf(profileHash: string, device: string): number {
    return this.#byHash.get(profileHash)?.devices.get(device)?.held.length ?? 0;
  }

  get heldBytes(): number {
    let bytes = 0;
    for (const { heldBytes } of this.#holding) bytes += heldBytes;
    return bytes;
  }

  get deviceCount(): number {
    return this.#deviceCount;
  }

  /** Makes a profile known. One that was known under another definition needs `reconfigure`. */
  addProfile(profile: EngineProfile): void {
    if (this.#byId.has(profile.id)) {
      throw new WeirError("profile-known", `profile "${profile.id}" is known already`);
    }
    const state = {
      plan: planProfile(profile, this.#heap),
      plans: new Map<string, Plan>(),
      cleaner: createCleaner(profile),
      retired: false,
      devices: new Map<string, Device>(),
    };
    this.#byId.set(profile.id, state);
    this.#byHash.set(profile.hash, state);
  }

  /** How slices of a device of this name are laid out and cut. */
  planFor(state: ProfileState, device: string): Plan {
    const { profile } = state.plan;
    const parts = device === UNKNOWN_DEVICE ? [] : this.groups.partsFor(profile.id, device);
    if (parts.length === 0) return state.plan;
    const key = hashText(JSON.stringify(parts)).toString(36);
    const known = state.plans.get(key);
    if (known !== undefined) return known;
    const windows = [...profile.windows, ...parts];
    const plan = planProfile({ ...profile, hash: `${profile.hash}+${key}`, windows }, this.#heap);
    state.plans.set(key, plan);
    return plan;
  }

  profileState(id: string): ProfileState | undefined {
    return this.#byId.get(id);
  }

  /** The profiles in force, without the retired ones. */
  profiles(): readonly EngineProfile[] {
    return [...this.#byId.values()].filter(({ retired }) => !retired).map(({ plan }) => plan.profile);
  }

  /**
   * Applies one block. Positions must follow one another; devices that were stored at or after this position are
   * left alone, which is what makes replaying a journal over a newer state right.
   * @returns the summaries it caused, in the order in which they fired
   */
  apply(block: Block): Summary[] {
    const summaries = this.#summaries();
    this.#last = undefined;
    const clock = settingClock(block);
    if (clock !== undefined) this.#place(block, clock, summaries);
    for (const group of block.groups) this.#applyGroup(block, group, summaries);
    if (block.tick) this.#applyTick(block, summaries);
    this.groups.afterBlock(block.sequence, block.processingMs);
    this.#sequence = block.sequence;
    return summaries;
  }

  #applyGroup(block: Block, group: ReadingGroup, summaries: Summary[]): void {
    const state = this.#byHash.get(group.profile);
    if (state === undefined)
      throw new WeirError("unknown-profile", `no profile has the hash ${group.profile}`);
    const device = this.#device(state, group.device, block);
    if (device === undefined) {
      this.#refuse(state, block, group);
      return;
    }
    if (device.replayedThrough >= block.sequence) return;
    this.#ingest(this.#ingestOf(device, state.cleaner, block, summaries), device, group);
    if (device.held.length > 0) this.#holding.add(device);
  }

  #ingest(ingest: Ingest, device: Device, group: ReadingGroup): void {
    const { plan, firing } = ingest;
    ingestGroup(ingest, device, group);
    fireChanged(firing, device);
    if (plan.early) fireEarly(firing, device);
    if (device.folds.length > 0) advanceFolds(firing, device);
    this.dirty.add(device);
  }

  /** Groups of one profile come one after the other: what they have in common is made once. */
  #ingestOf(device: Device, cleaner: Cleaner, block: Block, summaries: Summary[]): Ingest {
    const { plan } = device;
    const groups = this.groups.listenerOf(device, block.sequence);
    if (this.#last?.plan === plan && this.#last.firing.groups === groups) return this.#last;
    const firing = this.#firing(device, summaries, block.sequence);
    this.#last = { plan, cleaner, block, firing };
    return this.#last;
  }

  /** Gives the readings that waited for the clock the times at which they came. */
  #place(block: Block, clock: BootClock, summaries: Summary[]): void {
    for (const device of this.#holding) {
      if (device.replayedThrough >= block.sequence) continue;
      const state = this.#byId.get(device.profileId)!;
      const of = { clock, profile: state.plan.profile.hash, device: device.name };
      const group = placed(release(device), of);
      this.#ingest(this.#ingestOf(device, state.cleaner, block, summaries), device, group);
      this.#holding.delete(device);
    }
  }

  /** Books a whole group as refused, reading by reading, under the profile's unknown device. */
  #refuse(state: ProfileState, block: Block, group: ReadingGroup): void {
    const device = this.#device(state, UNKNOWN_DEVICE, block)!;
    if (device.replayedThrough >= block.sequence) return;
    const code = REASON_CODE.overLimit;
    device.rejected[code] = (device.rejected[code] ?? 0) + group.arrivals.length;
    for (let reason = 0; reason < group.rejected.length; reason++) {
      const count = group.rejected[reason] ?? 0;
      if (count > 0) device.rejected[reason] = (device.rejected[reason] ?? 0) + count;
    }
    this.dirty.add(device);
  }

  #device(state: ProfileState, name: string, block: Block): Device | undefined {
    const known = state.devices.get(name);
    if (known !== undefined) return known;
    if (name !== UNKNOWN_DEVICE && this.#deviceCount >= this.#options.devicesMax) return undefined;
    const device = newDevice(state.plan.profile.id, name, this.planFor(state, name));
    device.lastSeenMs = block.processingMs;
    this.adopt(state, device);
    return device;
  }

  /** Takes in a device that was stored. */
  adopt(state: ProfileState, device: Device): void {
    const { losses = [] } = this.#options;
    device.lostThroughMs = losses.map(({ throughMs, ahead }) =>
      Math.max(throughMs, ahead.get(device.name) ?? throughMs),
    );
    state.devices.set(device.name, device);
    if (device.held.length > 0) this.#holding.add(device);
    if (device.name !== UNKNOWN_DEVICE) this.#deviceCount++;
    this.groups.join(device);
  }

  /** Carries on the event time of devices that have fallen silent, as far as their open windows need it. */
  #applyTick(block: Block, summaries: Summary[]): void {
    for (const state of this.#byId.values()) {
      for (const device of state.devices.values()) {
        if (device.replayedThrough >= block.sequence) continue;
        const floorMs = idleFloor(device, block.processingMs);
        if (floorMs === undefined) continue;
        device.idleFloorMs = floorMs;
        advance(this.#firing(device, summaries, block.sequence), device);
        this.dirty.add(device);
      }
    }
  }

  /** Whether a tick at this processing time would do anything; if not, no block needs to be written for it. */
  tickDue(processingMs: number): boolean {
    for (const state of this.#byId.values()) {
      for (const device of state.devices.values()) {
        if (idleFloor(device, processingMs) !== undefined) return true;
      }
    }
    return this.groups.tickDue(processingMs);
  }

  /** Fires every open window as final: there will be no more input. */
  flush(): Summary[] {
    const summaries = this.#summaries();
    for (const state of this.#byId.values()) {
      for (const device of state.devices.values()) {
        const firing = this.#firing(device, summaries);
        for (const windows of device.open) {
          for (const window of windows) closeWindow(firing, device, window, false);
          windows.length = 0;
        }
        closeFolds(firing, device, false);
        renewFolds(firing, device);
        device.changed.length = 0;
        device.nextDueMs = Number.POSITIVE_INFINITY;
        dropAll(device.plan, device);
        this.dirty.add(device);
      }
    }
    this.groups.flush();
    return summaries;
  }

  /** Puts a new definition in the place of the profile of the same id; see `redefine`. */
  reconfigure(profile: EngineProfile): Summary[] {
    return this.redefine({ profiles: [profile] });
  }

  /** Closes every window of a profile that is no longer there; its devices keep their counts. */
  retire(id: string): Summary[] {
    return this.redefine({ retired: [id] });
  }

  /**
   * Takes on new definitions of profiles and groups. Windows that mean the same go on with what they have; the others
   * fire as final and `reconfigured`. The state must be stored before the next block is journaled, since a journal
   * does not say which definition came when.
   */
  redefine(change: Redefining): Summary[] {
    const { profiles = [], retired = [], groups = this.groups.definitions } = change;
    const summaries = this.#summaries();
    const changed = new Set<ProfileState>();
    for (const profile of profiles) changed.add(this.#define(profile));
    for (const id of retired) {
      const state = this.#byId.get(id);
      if (state === undefined || state.retired) continue;
      changed.add(this.#define({ ...state.plan.profile, windows: [] }));
      state.retired = true;
    }
    this.groups.prepare(groups, this.profiles());
    for (const state of this.#byId.values()) {
      for (const device of state.devices.values()) {
        const to = this.planFor(state, device.name);
        if (to.profile.hash === device.plan.profile.hash && !changed.has(state)) continue;
        reconfigureDevice(this.#firing(device, summaries), device, to);
        this.dirty.add(device);
      }
    }
    for (const id of retired) this.#letGo(id);
    this.groups.rearrange([...this.#byId.values()].flatMap(({ devices }) => [...devices.values()]));
    return summaries;
  }

  #define(profile: EngineProfile): ProfileState {
    const state = this.#byId.get(profile.id);
    if (state === undefined) {
      this.addProfile(profile);
      return this.#byId.get(profile.id)!;
    }
    this.#byHash.delete(state.plan.profile.hash);
    this.#byHash.set(profile.hash, state);
    state.plan = planProfile(profile, this.#heap);
    state.plans.clear();
    state.cleaner = createCleaner(profile);
    state.retired = false;
    return state;
  }

  /** There are no windows any more in which what waits could find a place. */
  #letGo(id: string): void {
    for (const device of this.#byId.get(id)?.devices.values() ?? []) {
      for (const _ of release(device)) reject(device, "clockUnset");
      this.#holding.delete(device);
    }
  }

  /** Devices whose time is further ahead of the wall clock than it may be, and by how much the furthest is. */
  aheadOf(nowMs: number): { readonly devices: number; readonly byMs: number } {
    const states = [...this.#byId.values()].filter(({ retired }) => !retired);
    const ahead = states
      .flatMap(({ devices }) => [...devices.values()].map((each) => aheadOfClock(each, each.plan, nowMs)))
      .filter((byMs) => byMs > 0);
    return { devices: ahead.length, byMs: ahead.reduce((most, byMs) => Math.max(most, byMs), 0) };
  }

  counts(): DeviceCounts[] {
    return [...this.#byId.values()].flatMap((state) => [...state.devices.values()].map(countsOf));
  }

  /** Where what is said from now on goes. */
  #summaries(): Summary[] {
    const summaries: Summary[] = [];
    this.groups.emitTo((summary) => summaries.push(summary));
    return summaries;
  }

  /** @param sequence of the block; Infinity outside of one */
  #firing(device: Device, summaries: Summary[], sequence = Number.POSITIVE_INFINITY): Firing {
    return {
      gateway: this.#options.gateway,
      plan: device.plan,
      finalOnly: this.#options.finalOnly === true,
      mergeable: this.#options.mergeable === true,
      groups: this.groups.listenerOf(device, sequence),
      emit: (summary) => summaries.push(summary),
    };
  }
}
