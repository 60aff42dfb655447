import { newGroup, type ReadingGroup } from "../model/block.js";
import type { FieldValue } from "../model/reading.js";
import { REASON_CODE, type RejectReason } from "../model/reasons.js";

/** One decoded reading on its way into a block. */
export interface IncomingReading {
  readonly profile: string;
  readonly device: string;
  readonly arrivalMs: number;
  /** NaN for the arrival time. */
  readonly timeMs: number;
  readonly values: FieldValue[];
  readonly key: string | undefined;
  readonly delivery: number;
}

/** Gathers what the next commit will hold: readings by device, and whom to tell when they are safe. */
export class BlockBuilder {
  readonly #groups = new Map<string, Map<string, ReadingGroup>>();
  readonly waiting: (() => void)[] = [];
  /** Payload bytes gathered; what `commit.maxBytes` bounds. */
  bytes = 0;
  readings = 0;

  get isEmpty(): boolean {
    return this.#groups.size === 0 && this.waiting.length === 0;
  }

  add(reading: IncomingReading): void {
    const group = this.#group(reading.profile, reading.device, reading.key !== undefined);
    group.arrivals.push(reading.arrivalMs);
    group.times.push(reading.timeMs);
    group.values.push(reading.values);
    if (group.keys !== undefined) group.keys.push(reading.key ?? "");
    group.deliveries.push(reading.delivery);
    this.readings++;
  }

  reject(profile: string, device: string, reason: RejectReason): void {
    const rejected = this.#group(profile, device, false).rejected;
    const code = REASON_CODE[reason];
    rejected[code] = (rejected[code] ?? 0) + 1;
    this.readings++;
  }

  /** Takes in what gathered after this. */
  absorb(later: BlockBuilder): void {
    for (const from of later.groups()) {
      const group = this.#group(from.profile, from.device, from.keys !== undefined);
      for (const column of ["arrivals", "times", "deliveries"] as const) group[column].push(...from[column]);
      group.values.push(...from.values);
      group.keys?.push(...(from.keys ?? []));
      from.rejected.forEach((count, code) => {
        group.rejected[code] = (group.rejected[code] ?? 0) + count;
      });
    }
    this.waiting.push(...later.waiting);
    this.bytes += later.bytes;
    this.readings += later.readings;
  }

  /** The wall clock was stepped after these readings had come: they came at that much another time. */
  shift(byMs: number): void {
    for (const { arrivals } of this.groups()) {
      for (let i = 0; i < arrivals.length; i++) arrivals[i]! += byMs;
    }
  }

  groups(): ReadingGroup[] {
    return [...this.#groups.values()].flatMap((devices) => [...devices.values()]);
  }

  #group(profile: string, device: string, keyed: boolean): ReadingGroup {
    let devices = this.#groups.get(profile);
    if (devices === undefined) {
      devices = new Map();
      this.#groups.set(profile, devices);
    }
    let group = devices.get(device);
    if (group === undefined) {
      group = newGroup(profile, device, keyed);
      devices.set(device, group);
    } else if (keyed && group.keys === undefined) {
      // A rejection came first and did not know that the readings have keys.
      group = { ...group, keys: [] };
      devices.set(device, group);
    }
    return group;
  }
}
