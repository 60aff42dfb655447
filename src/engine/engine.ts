import type { Block, BootClock, ReadingGroup } from "../model/block.js";
import { WeirError } from "../model/errors.js";
import { greatest } from "../model/extremes.js";
import type { EngineProfile } from "../model/profile.js";
import type { Summary } from "../model/summary.js";
import { countsOfAll, totalsOfAll } from "./census.js";
import { Changeover } from "./changeover.js";
import type { Cleaner } from "./clean.js";
import { closeDevice } from "./close-device.js";
import type { DeviceCounts, TotalCounts } from "./counts.js";
import { type Device, newDevice } from "./device.js";
import { DirtyDevices } from "./dirty.js";
import { fireEarly } from "./early.js";
import { advance, fireChanged } from "./firing.js";
import { advanceFolds } from "./fold-firing.js";
import { Groups } from "./groups.js";
import { inOrder, placed, release, settingClock } from "./held.js";
import { type Ingest, ingestGroup, reject, rejectGroup } from "./ingest.js";
import type { Plan } from "./plan.js";
import { Prefetch } from "./prefetch.js";
import type { ProfileState, Redefining } from "./profile-state.js";
import { ProfileStates } from "./profile-states.js";
import { reconfigureDevice } from "./reconfigure.js";
import { type LostState, lostThrough } from "./redefinition.js";
import { RefusedDevices } from "./refused.js";
import { Residency, type ResidencyOptions } from "./residency.js";
import { isInPart } from "./roster.js";
import { devicesAhead } from "./set-back.js";
import { idleFloor } from "./silence.js";
import type { DeviceHeader } from "./snapshot.js";
import type { Firing } from "./summarise.js";
import { planTick, type TickPlan } from "./tick-plan.js";

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
  /** How much of the state may be in memory; all of it unless given. */
  readonly residency?: ResidencyOptions;
}

/** The device that readings are booked under when `devicesMax` is reached, or when their device is not known. */
export const UNKNOWN_DEVICE = "?";

export class Engine {
  readonly #options: EngineOptions;
  readonly #profiles: ProfileStates;
  readonly #prefetch: Prefetch;
  #deviceCount = 0;
  #sequence = 0;
  /** Devices that have changed since they were last stored. */
  readonly dirty = new DirtyDevices();
  /** Devices with readings that wait for the clock to be set. */
  readonly #holding = new Set<Device>();

  /** What is in memory and what is not. */
  readonly residency: Residency;
  /** Devices that were refused because there are too many. */
  readonly refused = new RefusedDevices();
  readonly groups: Groups;
  /** From definitions to others. */
  readonly changeover: Changeover;
  /** What the group before it in the block was taken in with. */
  #last: Ingest | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.residency = new Residency(options.residency ?? {});
    const { gateway, finalOnly = false, mergeable = false, losses = [] } = options;
    const lostThroughMs = losses.map(({ throughMs, ahead }) => Math.max(throughMs, greatest(ahead.values())));
    this.groups = new Groups({ gateway, finalOnly, mergeable }, this.residency, lostThroughMs);
    this.residency.groups = this.groups;
    this.#profiles = new ProfileStates(this.residency, (profile, device) =>
      device === UNKNOWN_DEVICE ? [] : this.groups.partsFor(profile, device),
    );
    this.#prefetch = new Prefetch(this.#profiles);
    this.changeover = new Changeover({
      profiles: this.#profiles,
      groups: this.groups,
      residency: this.residency,
      listen: () => this.#summaries(),
      comeBack: (state, row, plan) => this.#comeBack(state, row, plan),
      move: (device, to, summaries) => this.#move(device, to, summaries),
    });
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

  /** The device of a profile, if it is in memory. */
  present(profileHash: string, name: string): Device | undefined {
    return this.#profiles.present(profileHash, name);
  }

  /** What readings that wait for the clock take in memory, about. */
  get heldBytes(): number {
    return [...this.#holding].reduce((sum, { heldBytes }) => sum + heldBytes, 0);
  }

  get deviceCount(): number {
    return this.#deviceCount;
  }

  /** Makes a profile known. One that was known under another definition needs `reconfigure`. */
  addProfile(profile: EngineProfile): void {
    this.#profiles.add(profile);
  }

  /** How slices of a device of this name are laid out and cut. */
  planFor(state: ProfileState, device: string): Plan {
    return this.#profiles.planFor(state, device);
  }

  /** The same of one that is stored; undefined where the definition is not known that it was stored under. */
  planOfStored(state: ProfileState, header: Pick<DeviceHeader, "name" | "profileHash">): Plan | undefined {
    return this.#profiles.planOfStored(state, header.name, header.profileHash);
  }

  profileState(id: string): ProfileState | undefined {
    return this.#profiles.get(id);
  }

  /** The profiles in force, without the retired ones. */
  profiles(): readonly EngineProfile[] {
    return this.#profiles.inForce();
  }

  /**
   * Applies one block. Positions must follow one another; devices that were stored at or after this position are
   * left alone, which is what makes replaying a journal over a newer state right.
   * @returns the summaries it caused, in the order in which they fired
   * @throws WeirError `change-unfinished`, `unknown-profile`
   */
  apply(block: Block): Summary[] {
    if (this.changeover.isUnderWay)
      throw new WeirError("change-unfinished", "devices are still changing over");
    const summaries = this.#summaries();
    this.residency.now = block.sequence;
    this.#last = undefined;
    const clock = settingClock(block);
    if (clock !== undefined) this.#place(block, clock, summaries);
    const { groups } = block;
    for (let i = 0; i < groups.length; i++) {
      this.#prefetch.before(groups, i, this.#deviceCount);
      this.#applyGroup(block, groups[i]!, summaries);
    }
    if (block.tick) this.#applyTick(block, summaries);
    this.groups.afterBlock(block.sequence, block.processingMs);
    this.#sequence = block.sequence;
    return summaries;
  }

  #applyGroup(block: Block, group: ReadingGroup, summaries: Summary[]): void {
    const state = this.#profiles.ofHash(group.profile);
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
    this.residency.relieve();
  }

  #ingest(ingest: Ingest, device: Device, group: ReadingGroup): void {
    const { plan, firing } = ingest;
    ingestGroup(ingest, device, group);
    fireChanged(firing, device);
    if (plan.early) fireEarly(firing, device);
    if (plan.folds.length > 0) advanceFolds(firing, device);
    this.#touched(device);
  }

  #touched(device: Device): void {
    this.dirty.add(device);
    this.residency.touched(device);
  }

  /** Groups of one profile come one after the other: what they have in common is made once. */
  #ingestOf(device: Device, cleaner: Cleaner, block: Block, summaries: Summary[]): Ingest {
    const { plan } = device;
    const groups = this.groups.listenerOf(device, block.sequence);
    if (this.#last?.plan === plan && this.#last.firing.groups === groups) return this.#last;
    this.#last = { plan, cleaner, block, firing: this.#firing(device, summaries, block.sequence) };
    return this.#last;
  }

  /** Gives the readings that waited for the clock the times at which they came. */
  #place(block: Block, clock: BootClock, summaries: Summary[]): void {
    for (const device of inOrder(this.#holding)) {
      if (device.replayedThrough >= block.sequence) continue;
      const state = this.#profiles.get(device.profileId)!;
      const of = { clock, profile: state.definition.hash, device: device.name };
      const group = placed(release(device), of);
      this.#ingest(this.#ingestOf(device, state.cleaner, block, summaries), device, group);
      this.#holding.delete(device);
    }
  }

  /** Books a whole group as refused, reading by reading, under the profile's unknown device. */
  #refuse(state: ProfileState, block: Block, group: ReadingGroup): void {
    const device = this.#device(state, UNKNOWN_DEVICE, block)!;
    if (device.replayedThrough >= block.sequence) return;
    this.refused.note(state.plan.profile.id, group.device, group.arrivals.length);
    rejectGroup(device, group, "overLimit");
    this.#touched(device);
  }

  #device(state: ProfileState, name: string, block: Block): Device | undefined {
    const known = state.devices.get(name);
    if (known !== undefined) return known;
    const row = state.away.find(name);
    if (row >= 0) return this.#comeBack(state, row);
    if (name !== UNKNOWN_DEVICE && this.#deviceCount >= this.#options.devicesMax) return undefined;
    const device = newDevice(state.plan.profile.id, name, this.planFor(state, name));
    device.lastSeenMs = block.processingMs;
    this.adopt(state, device);
    return device;
  }

  /** Takes in a device that was stored. */
  adopt(state: ProfileState, device: Device): void {
    device.lostThroughMs = lostThrough(this.#options.losses, device.name);
    state.devices.set(device.name, device);
    this.residency.weigh(device);
    if (device.held.length > 0) this.#holding.add(device);
    if (device.name !== UNKNOWN_DEVICE) this.#deviceCount++;
    this.groups.join(device);
  }

  /** Takes note of a stored device that is in no group, and leaves it where it is. @param header of its record */
  noteAway(state: ProfileState, header: Parameters<Residency["note"]>[1]): void {
    this.residency.note(state, header);
    if (header.name !== UNKNOWN_DEVICE) this.#deviceCount++;
  }

  #comeBack(state: ProfileState, row: number, plan = this.planFor(state, state.away.nameOf(row))): Device {
    const device = this.residency.load(state, row, plan);
    device.lostThroughMs = lostThrough(this.#options.losses, device.name);
    return device;
  }

  /** Every device of a profile, which are all in memory then. */
  #everyOf(state: ProfileState): Iterable<Device> {
    for (const row of state.away.rows()) this.#comeBack(state, row);
    return state.devices.values();
  }

  /** Carries on the event time of devices that have fallen silent, as far as their open windows need it. */
  #applyTick(block: Block, summaries: Summary[]): void {
    const { processingMs, tickPart = { part: 0, parts: 1 } } = block;
    for (const state of this.#profiles.all()) {
      for (const device of state.devices.values()) {
        if (isInPart(device.name, tickPart)) this.#silence(device, block, summaries);
      }
      for (const row of state.away.due(processingMs, tickPart)) {
        this.#silence(this.#comeBack(state, row), block, summaries);
      }
    }
  }

  #silence(device: Device, block: Block, summaries: Summary[]): void {
    if (device.replayedThrough >= block.sequence) return;
    const floorMs = idleFloor(device, block.processingMs);
    if (floorMs === undefined) return;
    device.idleFloorMs = floorMs;
    advance(this.#firing(device, summaries, block.sequence), device);
    this.#touched(device);
    this.residency.relieve();
  }

  /** Whether a tick at this processing time would do anything; if not, no block needs to be written for it. */
  tickDue(processingMs: number): boolean {
    for (const state of this.#profiles.all()) {
      if (state.away.isDue(processingMs)) return true;
      for (const device of state.devices.values()) {
        if (idleFloor(device, processingMs) !== undefined) return true;
      }
    }
    return this.groups.tickDue(processingMs);
  }

  /** How a tick at this processing time may go, by what it would bring back into memory. */
  planTick(processingMs: number): TickPlan {
    return planTick(this.#profiles.all(), processingMs, this.residency.loadsMax);
  }

  /** Fires every open window as final: there will be no more input. */
  flush(): Summary[] {
    const summaries = this.#summaries();
    for (const state of this.#profiles.all()) {
      for (const device of this.#everyOf(state)) {
        closeDevice(this.#firing(device, summaries), device);
        this.#touched(device);
      }
    }
    this.groups.flush();
    return summaries;
  }

  /** Closes every window of a profile that is no longer there; its devices keep their counts. */
  retire(id: string): Summary[] {
    return this.redefine({ retired: [id] });
  }

  /**
   * Takes on new definitions of profiles and groups, with every device in memory (changeover.ts). Windows that mean the
   * same go on with what they have; the others fire as final and `reconfigured`. The state must be stored before the
   * next block is journaled, since a journal does not say which definition came when.
   */
  redefine(change: Redefining): Summary[] {
    const summaries = this.changeover.begin(change);
    while (this.changeover.isUnderWay) {
      for (const summary of this.changeover.portion().summaries) summaries.push(summary);
    }
    return summaries;
  }

  #move(device: Device, to: Plan, summaries: Summary[]): void {
    reconfigureDevice(this.#firing(device, summaries), device, to);
    if (this.#profiles.get(device.profileId)?.retired) this.#letGo(device);
    this.#touched(device);
  }

  /** There are no windows any more in which what waits could find a place. */
  #letGo(device: Device): void {
    for (const _ of release(device)) reject(device, "clockUnset");
    this.#holding.delete(device);
  }

  /** Devices whose time is further ahead of the wall clock than it may be, and by how much the furthest is. */
  aheadOf(nowMs: number): { readonly devices: number; readonly byMs: number } {
    return devicesAhead(this.#profiles.all(), nowMs);
  }

  /** @param awayMax devices that are read from the store for this, at most; the others are left out */
  counts(awayMax = Number.POSITIVE_INFINITY): DeviceCounts[] {
    return countsOfAll(this.#profiles.all(), this.residency, awayMax);
  }

  /** The counts of all devices, added up. */
  totals(): TotalCounts {
    return totalsOfAll(this.#profiles.all(), this.residency);
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
