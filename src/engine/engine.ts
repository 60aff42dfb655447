import { type Block, type BootClock, type ReadingGroup, splitBlock } from "../model/block.js";
import { UNKNOWN_DEVICE } from "../model/device-name.js";
import { WeirError } from "../model/errors.js";
import { greatest } from "../model/extremes.js";
import { LIMITS } from "../model/limits.js";
import type { EngineProfile } from "../model/profile.js";
import type { Summary } from "../model/summary.js";
import { BehindDevices, type Going } from "./behind.js";
import { countsOfAll, totalsOfAll } from "./census.js";
import { Changeover, type Moving } from "./changeover.js";
import type { Cleaner } from "./clean.js";
import { closeDevice } from "./close-device.js";
import type { DeviceCounts, TotalCounts } from "./counts.js";
import { type Device, newDevice } from "./device.js";
import { DirtyDevices } from "./dirty.js";
import { advance } from "./firing.js";
import type { Recall } from "./group.js";
import { Groups } from "./groups.js";
import { inOrder, placed, release, settingClock } from "./held.js";
import { type Ingest, ingestGroup, isFull, reject, rejectGroup } from "./ingest.js";
import type { Cut, EngineOptions, Part } from "./options.js";
import type { Plan } from "./plan.js";
import { Prefetch } from "./prefetch.js";
import type { ProfileState, Redefining } from "./profile-state.js";
import { ProfileStates } from "./profile-states.js";
import { reconfigureDevice } from "./reconfigure.js";
import { lostThrough } from "./redefinition.js";
import { RefusedDevices } from "./refused.js";
import { Residency } from "./residency.js";
import { isInPart } from "./roster.js";
import { devicesAhead } from "./set-back.js";
import type { DeviceHeader } from "./snapshot.js";
import type { Firing } from "./summarise.js";
import { Ticks } from "./ticks.js";

interface Applying extends Going {
  readonly summaries: Summary[];
}

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
  readonly #behind = new BehindDevices();

  /** What is in memory and what is not. */
  readonly residency: Residency;
  /** Devices that were refused because there are too many. */
  readonly refused = new RefusedDevices();
  readonly groups: Groups;
  /** From definitions to others. */
  readonly changeover: Changeover;
  readonly ticks: Ticks;
  /** What the group before it in the block was taken in with. */
  #last: Ingest | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.residency = new Residency(options.residency ?? {});
    const { gateway, finalOnly = false, mergeable = false, losses = [] } = options;
    const lostThroughMs = losses.map(({ throughMs, ahead }) => Math.max(throughMs, greatest(ahead.values())));
    const recall: Recall = (of) => this.#recall(of);
    this.groups = new Groups({ gateway, finalOnly, mergeable, recall }, this.residency, lostThroughMs);
    this.residency.groups = this.groups;
    this.#profiles = new ProfileStates(this.residency, this.groups.shapes);
    this.#prefetch = new Prefetch(this.#profiles);
    this.changeover = new Changeover({
      profiles: this.#profiles,
      groups: this.groups,
      residency: this.residency,
      listen: () => this.#summaries(),
      recall,
      move: (device, to, on) => this.#move(device, to, on),
      shareMax: options.shareMax ?? LIMITS.changeShareMax,
    });
    this.ticks = new Ticks({
      profiles: this.#profiles,
      groups: this.groups,
      residency: this.residency,
      comeBack: (state, row) => this.#comeBack(state, row),
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

  /** Whether devices or groups have more to say, which they do in the blocks that come, with readings in them or none. */
  get isBehind(): boolean {
    return !this.#behind.isEmpty || this.groups.isBehind;
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

  /** How many there are. */
  get heldReadings(): number {
    return [...this.#holding].reduce((sum, { held }) => sum + held.length, 0);
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
    return this.applyPart(block, Number.POSITIVE_INFINITY).summaries;
  }

  /**
   * Applies a block as far as it causes no more summaries than memory is to hold at a time: up to the reading with which
   * there are so many, or its device is behind. @throws as `apply`
   */
  applyPart(block: Block, summariesMax: number): Part {
    if (this.changeover.isUnderWay)
      throw new WeirError("change-unfinished", "devices are still changing over");
    const on: Applying = { block, summaries: this.#summaries(), summariesMax, groups: this.groups };
    this.residency.now = block.sequence;
    this.#last = undefined;
    const behindThrough = this.#behind.goOn(on, (device) => this.#advance(device, on));
    const cut = behindThrough
      ? { begun: { ...block, tick: false, groups: [], behindThrough }, left: block.groups }
      : this.#takeIn(on);
    this.groups.afterBlock(block);
    this.#sequence = block.sequence;
    return { ...cut, summaries: on.summaries };
  }

  #takeIn(on: Applying): Cut {
    const { block } = on;
    const clock = settingClock(block);
    if (clock !== undefined) this.#place(on, clock);
    let part: Cut = { begun: block, left: [] };
    for (let i = 0; i < block.groups.length; i++) {
      this.#prefetch.before(block.groups, i, this.#deviceCount);
      const taken = this.#applyGroup(on, block.groups[i]!);
      if (taken === block.groups[i]!.arrivals.length) continue;
      part = splitBlock(block, { group: i, reading: taken ?? 0 });
      break;
    }
    if (part.begun.tick) this.ticks.apply(block, (device) => this.#advance(device, on));
    return part;
  }

  /** @returns how many readings were taken in; undefined where the group has to wait as a whole */
  #applyGroup(on: Applying, group: ReadingGroup): number | undefined {
    const { block } = on;
    const state = this.#profiles.ofHash(group.profile);
    if (state === undefined)
      throw new WeirError("unknown-profile", `no profile has the hash ${group.profile}`);
    const device = this.#device(state, group.device, block);
    if (device === undefined) {
      this.#refuse(state, block, group);
      return group.arrivals.length;
    }
    if (device.replayedThrough >= block.sequence) return group.arrivals.length;
    // Before its groups hear of it: the journal's block will have nothing of this device.
    if (isFull(on, device)) return undefined;
    const taken = ingestGroup(this.#ingestOf(device, state.cleaner, on), device, group);
    this.#touched(device);
    if (device.held.length > 0) this.#holding.add(device);
    this.residency.relieve();
    return taken;
  }

  #advance(device: Device, { block, summaries }: Applying): void {
    if (device.replayedThrough >= block.sequence) return;
    advance(this.#firing(device, summaries, block), device);
    this.#touched(device);
    this.residency.relieve();
  }

  #touched(device: Device): void {
    this.dirty.add(device);
    this.residency.touched(device);
    this.#behind.note(device);
  }

  /** Groups of one profile come one after the other: what they have in common is made once. */
  #ingestOf(device: Device, cleaner: Cleaner, { block, summaries, summariesMax }: Applying): Ingest {
    const { plan } = device;
    const groups = this.groups.listenerOf(device, block.sequence);
    if (this.#last?.plan === plan && this.#last.firing.groups === groups) return this.#last;
    const firing = this.#firing(device, summaries, block);
    this.#last = { plan, cleaner, block, firing, summaries, summariesMax };
    return this.#last;
  }

  /** Gives the readings that waited for the clock the times at which they came; of one part of the devices, if it says so. */
  #place({ block, ...rest }: Applying, clock: BootClock): void {
    const on = { ...rest, block, summariesMax: Number.POSITIVE_INFINITY };
    for (const device of inOrder(this.#holding)) {
      if (device.replayedThrough >= block.sequence || !isInPart(device.name, block.tickPart)) continue;
      const state = this.#profiles.get(device.profileId)!;
      const group = placed(release(device), clock, { profile: state.definition.hash, device: device.name });
      ingestGroup(this.#ingestOf(device, state.cleaner, on), device, group);
      this.#touched(device);
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
    this.#behind.note(device);
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
    this.#behind.note(device);
    return device;
  }

  /** The same for a moment: who was cold is cold. */
  #recall({ profileId, name, plan }: Parameters<Recall>[0]): Device {
    const state = this.#profiles.get(profileId)!;
    return Object.assign(this.#comeBack(state, state.away.find(name), plan), { usedAt: 0 });
  }

  /** Every device of a profile, which are all in memory then. */
  #everyOf(state: ProfileState): Iterable<Device> {
    for (const row of state.away.rows()) this.#comeBack(state, row);
    return state.devices.values();
  }

  /** Fires every open window as final: no more input comes. @param take is given what each says; the rest is returned */
  flush(take: (summaries: Summary[]) => void = () => {}): Summary[] {
    const summaries = this.#summaries();
    for (const state of this.#profiles.all()) {
      for (const device of this.#everyOf(state)) {
        closeDevice(this.#firing(device, summaries, {}), device);
        this.#touched(device);
        take(summaries);
      }
    }
    this.groups.flush();
    return summaries;
  }

  /**
   * Takes on new definitions of profiles and groups, with every device in memory (changeover.ts). Windows that mean the
   * same go on with what they have; the others fire as final and `reconfigured`. The state must be stored before the
   * next block is journaled, since a journal does not say which definition came when.
   */
  redefine(change: Redefining): Summary[] {
    this.changeover.begin(change);
    const summaries: Summary[] = [];
    while (this.changeover.isUnderWay) {
      for (const summary of this.changeover.portion().summaries) summaries.push(summary);
    }
    return summaries;
  }

  #move(device: Device, to: Plan, { summaries, shareMax }: Moving): boolean {
    const hasMoved = reconfigureDevice(this.#firing(device, summaries, { shareMax }), device, to);
    if (hasMoved && this.#profiles.get(device.profileId)?.retired) this.#letGo(device);
    this.#touched(device);
    return hasMoved;
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
    return this.groups.emitTo([]);
  }

  /** @param of a block, or what else makes it fire, all at once unless it says otherwise */
  #firing(device: Device, summaries: Summary[], of: Partial<Pick<Block, "sequence" | "shareMax">>): Firing {
    const { sequence = Number.POSITIVE_INFINITY, shareMax = Number.POSITIVE_INFINITY } = of;
    return {
      gateway: this.#options.gateway,
      plan: device.plan,
      finalOnly: this.#options.finalOnly === true,
      mergeable: this.#options.mergeable === true,
      groups: this.groups.listenerOf(device, sequence),
      summaries,
      shareMax,
    };
  }
}
