import type { ReadingGroup } from "../model/block.js";
import type { Device } from "./device.js";
import type { ProfileStates } from "./profile-states.js";
import type { Slice } from "./slice.js";

/**
 * Software prefetching. What the engine needs of a device that has not been heard of for a while lies in main memory, in
 * some twenty places, each known only when the one before has come. Taking in a reading waits for them one by one, since
 * a processor does not look far enough ahead to find the next device meanwhile. So the devices of the next groups of a
 * block are looked at beforehand, a step at a time for all of them: the loads of a step do not depend on one another, and a
 * processor has many under way.
 *
 * It changes nothing but the time that things take, and with few devices, which stay in the cache, it would add to that.
 */
export class Prefetch {
  readonly #states: ProfileStates;
  readonly #devices: (Device | undefined)[] = Array.from({ length: GROUPS }, () => undefined);
  readonly #slices: (Slice | undefined)[] = Array.from({ length: GROUPS }, () => undefined);
  /** What was read has to go somewhere, or the compiler leaves out reading it. */
  #sink = 0;

  /** @param states whose devices are taken in */
  constructor(states: ProfileStates) {
    this.#states = states;
  }

  /** To be called before each group of a block is taken in. @param deviceCount how many devices there are */
  before(groups: readonly ReadingGroup[], at: number, deviceCount: number): void {
    if (at % GROUPS !== 0 || deviceCount < DEVICES_MIN) return;
    const count = Math.min(GROUPS, groups.length - at);
    for (let i = 0; i < count; i++) {
      const { profile, device } = groups[at + i]!;
      this.#devices[i] = this.#states.present(profile, device);
    }
    this.#sink += this.#lookAtDevices(count) + this.#lookAtSlices(count);
  }

  #lookAtDevices(count: number): number {
    let sink = 0;
    for (let i = 0; i < count; i++) {
      const device = this.#devices[i];
      if (device !== undefined) sink += device.accepted + device.usedAt;
    }
    for (let i = 0; i < count; i++) {
      const device = this.#devices[i];
      if (device === undefined) continue;
      const { slices, retired, held, changed, maxTimeMs, nextDueMs, idleFloorMs, lastSeenMs } = device;
      sink +=
        retired.length + held.length + changed.length + maxTimeMs + nextDueMs + idleFloorMs + lastSeenMs;
      if (slices.length > 0) this.#slices[i] = slices[slices.length - 1];
    }
    return sink;
  }

  #lookAtSlices(count: number): number {
    const slices = this.#slices;
    let sink = 0;
    for (let i = 0; i < count; i++) {
      const slice = slices[i];
      if (slice !== undefined) sink += slice.id + slice.extraBytes;
    }
    for (let i = 0; i < count; i++) {
      const slice = slices[i];
      if (slice !== undefined) sink += slice.cells.base + slice.rows.base + slice.startMs + slice.endMs;
    }
    for (let i = 0; i < count; i++) {
      const slice = slices[i];
      slices[i] = undefined;
      if (slice === undefined || slice.spilled) continue;
      const { cells, rows, held } = slice;
      const end = Math.min(cells.base + CELLS, cells.numbers.length);
      for (let at = cells.base; at < end; at += LINE) sink += cells.numbers[at]!;
      const next = rows.base + held * this.#devices[i]!.plan.slices.width;
      if (next < rows.numbers.length) sink += rows.numbers[next]!;
    }
    return sink;
  }
}

/** Groups of a block that are looked at in one go. */
const GROUPS = 32;
/** With fewer devices than this the cache has them. */
const DEVICES_MIN = 2_000;
/** Doubles in a line of the cache. */
const LINE = 8;
/** So many cells of a slice are looked at; few profiles use more with every reading. */
const CELLS = 32;
