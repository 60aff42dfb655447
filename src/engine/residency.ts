import { CorruptRecord, type KeyedRecord, sealMark } from "../model/bytes.js";
import { LIMITS } from "../model/limits.js";
import { type Counted, counted, Tally } from "./counts.js";
import { type Device, isBehind } from "./device.js";
import { DoubleHeap } from "./double-heap.js";
import { besideBytesOf, weightOf } from "./footprint.js";
import type { Plan } from "./plan.js";
import type { ProfileState } from "./profile-state.js";
import { idleFrom } from "./silence.js";
import type { Slice, SliceMemory, SliceRoom } from "./slice.js";
import { decodeDevice, openSlice, readSlice, type StoredSlice } from "./snapshot.js";

/**
 * Which devices and slices are in memory: the others are in the store, and come back when something needs them.
 *
 * Memory is a write-back cache of the stored records. What differs from its record is dirty and stays; the rest may go
 * at any time between two devices' turns, the coldest first, until `bytesMax` is kept with some room to spare. A slice
 * leaves a stub (bounds, epoch, mark of its record), a device a row in the roster (when silence has to be looked at, how
 * far ahead its time is). Windows, watermark and duplicate filter are part of the records, and what is needed is read
 * back before it is looked at, so what the engine says does not depend on what was where.
 *
 * A record that comes back is held to the mark that it was stored with: one of an earlier time, or none, is damage.
 * Devices with readings that wait for the clock stay; they have a bound of their own. So do those that are behind, of
 * which a block leaves few.
 */
export interface StateReader {
  /** @throws CorruptRecord, and whatever the disk says; both end the process */
  device(profileId: string, name: string): KeyedRecord | undefined;
  slice(profileId: string, name: string, id: number): KeyedRecord | undefined;
}

export interface ResidencyOptions {
  /** Where what was stored is read; nothing leaves memory without it. */
  readonly reader?: StateReader;
  /** What devices and slices may take in memory, by estimate; without end unless given. */
  readonly bytesMax?: number;
}

export interface ResidencyStats {
  readonly bytes: number;
  readonly bytesMax: number;
  /** Devices whose state is in the store only. */
  readonly devicesSpilled: number;
  /** Slices whose contents are. */
  readonly slicesSpilled: number;
  /** How often one came back, since the start of the process. */
  readonly deviceLoads: number;
  readonly sliceLoads: number;
}

/** To be told of devices that come and go. */
export interface ResidencyWatch {
  left(device: Device): void;
  cameBack(device: Device): void;
}

/** Who refers to devices: it is asked before one goes, and told of those that come and go. */
export interface ResidencyHold extends ResidencyWatch {
  /** Whether a device has to stay. */
  holds(device: Device): boolean;
}

/** Down to this part of the bound memory is cleared when it is reached. */
const LOW_WATER = 0.8;
/** After a look that found too little, the next one waits for so much growth, as a part of what there is. */
const STEP = 1 / 32;
/** Pages may take so many times as much as the rows in them that are in use. */
const WASTE_MAX = 2;
/** Each block is a sync of its own, so they are not to be too small. */
const LOADS_MIN = 64;
/** Of a device, where there is none to go by. */
const UNKNOWN_BYTES = 16_384;
/** Ages are told apart by powers of two, in positions of the journal. */
const AGES = 54;

export class Residency implements SliceRoom {
  readonly heap = new DoubleHeap();
  readonly #reader: StateReader | undefined;
  readonly #bytesMax: number;
  readonly #states = new Set<ProfileState>();
  /** Counts of the devices that are in the store only. */
  readonly away = new Tally();
  #awaySlices = 0;
  #weights = 0;
  #extraBytes = 0;
  #deviceLoads = 0;
  #sliceLoads = 0;
  #lookAtBytes = 0;
  /** Position of the block that is being applied. */
  now = 0;
  watch: ResidencyWatch | undefined;
  groups: ResidencyHold | undefined;

  constructor({ reader, bytesMax = Number.POSITIVE_INFINITY }: ResidencyOptions) {
    this.#reader = reader;
    this.#bytesMax = bytesMax;
  }

  add(state: ProfileState): void {
    this.#states.add(state);
  }

  /** What devices and slices take in memory, about. */
  get bytes(): number {
    return this.heap.bytes + this.#extraBytes + this.#weights;
  }

  get isOver(): boolean {
    return this.bytes > this.#bytesMax;
  }

  /** Whether there is room yet for what is read at a start. */
  get hasRoom(): boolean {
    return this.#reader === undefined || this.bytes <= this.#bytesMax / 2;
  }

  stats(): ResidencyStats {
    let devicesSpilled = 0;
    let slicesSpilled = this.#awaySlices;
    for (const { devices, away } of this.#states) {
      devicesSpilled += away.size;
      for (const { slices, retired } of devices.values()) {
        for (const slice of slices) if (slice.spilled) slicesSpilled++;
        for (const slice of retired) if (slice.spilled) slicesSpilled++;
      }
    }
    const loads = { deviceLoads: this.#deviceLoads, sliceLoads: this.#sliceLoads };
    return { bytes: this.bytes, bytesMax: this.#bytesMax, devicesSpilled, slicesSpilled, ...loads };
  }

  /**
   * Devices that one block may bring back, or make: while it is applied none of them can go, so they may take a share of
   * the bound, going by those that are here.
   */
  get loadsMax(): number {
    let devices = 0;
    for (const state of this.#states) devices += state.devices.size;
    const eachBytes = devices === 0 ? UNKNOWN_BYTES : this.bytes / devices;
    const fitting = Math.floor((this.#bytesMax * LIMITS.loadsMemoryShare) / eachBytes);
    return Math.max(LOADS_MIN, Math.min(LIMITS.loadsPerBlockMax, fitting));
  }

  /** To be called when a device has changed. */
  touched(device: Device): void {
    device.usedAt = this.now;
    // Looking at it all would take longer than taking in a reading.
    if (device.reshaped || mayGrow(device)) this.weigh(device);
    const newest = device.slices.at(-1);
    if (newest !== undefined) this.measure(newest);
  }

  weigh(device: Device): void {
    const weight = weightOf(device);
    this.#weights += weight - device.weight;
    device.weight = weight;
    device.reshaped = false;
  }

  /** What a device and its slices take, about. */
  bytesOf({ plan, slices, retired, weight }: Device): number {
    let bytes = weight;
    for (const slice of slices) if (!slice.spilled) bytes += plan.slices.bytesOf(slice) + slice.extraBytes;
    for (const slice of retired) if (!slice.spilled) bytes += plan.slices.bytesOf(slice) + slice.extraBytes;
    return bytes;
  }

  /** Looks at what a slice has beside its cells. */
  measure(slice: Slice): void {
    if (slice.cells.extras === undefined && slice.words === undefined && slice.extraBytes === 0) return;
    const bytes = besideBytesOf(slice);
    this.#extraBytes += bytes - slice.extraBytes;
    slice.extraBytes = bytes;
  }

  changed(slice: Slice): void {
    slice.usedAt = this.now;
  }

  dropped(slice: Slice): void {
    this.#extraBytes -= slice.extraBytes;
    slice.extraBytes = 0;
  }

  refill(slice: Slice, memory: SliceMemory): void {
    const { profileId, name } = slice.owner;
    const reader = openSlice(this.#reader?.slice(profileId, name, slice.id), slice);
    memory.furnish(slice);
    slice.spilled = false;
    readSlice(reader, slice, memory);
    slice.usedAt = this.now;
    this.#sliceLoads++;
    this.measure(slice);
  }

  /** Reads a device back. @param row of the roster @param plan that it was stored under @throws CorruptRecord */
  load(state: ProfileState, row: number, plan: Plan): Device {
    const device = decodeDevice(this.recordOf(state, row), plan);
    state.away.comeBack(row);
    state.devices.set(device.name, device);
    this.#count(device, -1);
    this.#deviceLoads++;
    device.usedAt = this.now;
    this.weigh(device);
    this.groups?.cameBack(device);
    this.watch?.cameBack(device);
    return device;
  }

  /** The stored record of a device that is in the store only. @throws CorruptRecord */
  recordOf({ definition, away }: ProfileState, row: number): KeyedRecord {
    const name = away.nameOf(row);
    const record = this.#reader?.device(definition.id, name);
    if (record === undefined) throw new CorruptRecord(`the device ${name} is missing`);
    if (record.value.length < 5 || sealMark(record.value) !== away.markOf(row)) {
      throw new CorruptRecord(`the record of the device ${name} is not the newest`);
    }
    return record;
  }

  /** Notes a device that is in the store only. */
  note(
    state: ProfileState,
    of: Counted & {
      readonly slices: readonly StoredSlice[];
      readonly wakeMs: number;
      readonly aheadMs: number;
      readonly mark: number;
    },
  ): void {
    state.away.leave(of.name, of);
    this.away.add(of);
    this.#awaySlices += of.slices.length;
  }

  #count(device: Device, sign: 1 | -1): void {
    this.away.add(counted(device), sign);
    this.#awaySlices += sign * (device.slices.length + device.retired.length);
  }

  /**
   * Lets the coldest go that is stored, if the bound is reached. Nothing of any device may be in use.
   * @returns whether the bound is kept now; if not, what is in memory has to be stored first
   */
  relieve(): boolean {
    if (!this.isOver) return true;
    if (this.#reader === undefined || this.bytes < this.#lookAtBytes) return false;
    const targetBytes = this.#bytesMax * LOW_WATER;
    const eldest = this.#ageToGo(this.bytes - targetBytes);
    for (const state of this.#states) {
      for (const device of state.devices.values()) {
        if (this.bytes > targetBytes) this.#letGo(state, device, eldest);
      }
    }
    // Rows of other lengths than those that are needed now may hold as much as the bound.
    if (this.heap.pagesBytes > WASTE_MAX * this.heap.bytes) this.heap.trim();
    if (this.bytes <= targetBytes) return true;
    this.#lookAtBytes = this.bytes * (1 + STEP);
    return !this.isOver;
  }

  /** To be called when devices have been stored. */
  stored(): void {
    this.#lookAtBytes = 0;
  }

  /** The age, by `ageOf`, from which on everything has to go so that so much is freed. */
  #ageToGo(bytes: number): number {
    const freed = new Array<number>(AGES).fill(0);
    for (const state of this.#states) {
      for (const device of state.devices.values()) {
        const memory = device.plan.slices;
        const goes = this.#mayGo(device);
        if (goes) freed[this.#ageOf(device.usedAt)]! += device.weight;
        for (const slices of [device.slices, device.retired]) {
          for (const slice of slices) {
            if (slice.spilled || slice.dirty) continue;
            const age = this.#ageOf(goes ? device.usedAt : slice.usedAt);
            freed[age]! += memory.bytesOf(slice) + slice.extraBytes;
          }
        }
      }
    }
    let left = bytes;
    for (let age = AGES - 1; age > 0; age--) {
      left -= freed[age]!;
      if (left <= 0) return age;
    }
    return 0;
  }

  #ageOf(usedAt: number): number {
    return Math.min(AGES - 1, Math.ceil(Math.log2(1 + Math.max(0, this.now - usedAt))));
  }

  #mayGo(device: Device): boolean {
    const isStored = device.mark !== undefined && !device.dirty;
    const stays = device.held.length > 0 || isBehind(device);
    return isStored && !stays && this.groups?.holds(device) !== true;
  }

  #letGo(state: ProfileState, device: Device, age: number): void {
    const goes = this.#mayGo(device) && this.#ageOf(device.usedAt) >= age;
    for (const slices of [device.slices, device.retired]) {
      for (const slice of slices) {
        if (slice.spilled || slice.dirty) continue;
        if (goes || this.#ageOf(slice.usedAt) >= age) this.#spill(slice, device.plan.slices);
      }
    }
    if (!goes) return;
    device.plan.running?.forget(device);
    this.watch?.left(device);
    this.groups?.left(device);
    state.devices.delete(device.name);
    this.#weights -= device.weight;
    this.#count(device, 1);
    const aheadMs = Math.max(device.maxTimeMs, device.idleFloorMs);
    state.away.leave(device.name, { wakeMs: idleFrom(device), aheadMs, mark: device.mark! });
  }

  #spill(slice: Slice, memory: SliceMemory): void {
    this.dropped(slice);
    memory.spill(slice);
  }
}

/** Whether a reading may make it heavier although no slice and no window comes or goes. */
function mayGrow({ plan, keys, deliveries }: Device): boolean {
  return plan.folds.length > 0 || keys !== undefined || deliveries !== undefined;
}
