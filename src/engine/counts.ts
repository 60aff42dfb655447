import { REJECT_REASONS, type RejectReason } from "../model/reasons.js";
import type { Device } from "./device.js";
import { isOpen, standing } from "./fold.js";

/** What a device has received, over its whole life. `received = accepted + Σ rejected`. */
export interface DeviceCounts {
  readonly profile: string;
  readonly device: string;
  readonly received: number;
  readonly accepted: number;
  readonly rejected: Readonly<Partial<Record<RejectReason, number>>>;
  /** Waiting for the clock to be set; counted as received once they are accepted or rejected. */
  readonly waiting: number;
  /** Accepted, but too late for at least one of several windows. */
  readonly partlyLate: number;
  /** Accepted, sharing their event time with a reading of other values. */
  readonly conflicting: number;
  /** Highest event time, milliseconds since the epoch; undefined before the first. */
  readonly lastTimeMs: number | undefined;
  /** Windows that are not final; of those whose bounds follow from the readings, the ones that begin before the watermark. */
  readonly openWindows: number;
}

/** The counts of many devices, added up. */
export interface TotalCounts {
  readonly received: number;
  readonly accepted: number;
  readonly rejected: Readonly<Partial<Record<RejectReason, number>>>;
  readonly waiting: number;
}

/** What of a device is counted, whether it is in memory or as it is stored. */
export type Counted = Pick<
  Device,
  "profileId" | "name" | "accepted" | "rejected" | "partlyLate" | "conflicting" | "maxTimeMs"
> & { readonly waiting: number; readonly openWindows: number };

export function countsOf(of: Counted): DeviceCounts {
  return {
    profile: of.profileId,
    device: of.name,
    ...received(of.accepted, of.rejected),
    waiting: of.waiting,
    partlyLate: of.partlyLate,
    conflicting: of.conflicting,
    lastTimeMs: Number.isFinite(of.maxTimeMs) ? of.maxTimeMs : undefined,
    openWindows: of.openWindows,
  };
}

export function counted(device: Device): Counted {
  const { profileId, name, accepted, rejected, partlyLate, conflicting, maxTimeMs } = device;
  const openWindows = openWindowsOf(device);
  const waiting = device.held.length;
  return { profileId, name, accepted, rejected, partlyLate, conflicting, maxTimeMs, waiting, openWindows };
}

/** See `DeviceCounts.openWindows`. */
export function openWindowsOf({ open, folds }: Pick<Device, "open" | "folds">): number {
  let count = 0;
  for (const windows of open) count += windows.length;
  for (const fold of folds) {
    if (standing(fold).run !== undefined) count++;
    for (const each of fold.told) if (each.digest !== undefined && !isOpen(fold, each)) count++;
  }
  return count;
}

/** Counts of devices that come and go. */
export class Tally {
  accepted = 0;
  waiting = 0;
  readonly rejected: number[] = [];

  /** @param sign 1 to add, -1 to take away */
  add(of: Pick<Counted, "accepted" | "rejected" | "waiting">, sign: 1 | -1 = 1): void {
    this.accepted += sign * of.accepted;
    this.waiting += sign * of.waiting;
    for (let code = 0; code < of.rejected.length; code++) {
      this.rejected[code] = (this.rejected[code] ?? 0) + sign * (of.rejected[code] ?? 0);
    }
  }

  total(): TotalCounts {
    return { ...received(this.accepted, this.rejected), waiting: this.waiting };
  }
}

function received(accepted: number, byCode: readonly number[]) {
  const rejected: Partial<Record<RejectReason, number>> = {};
  let all = accepted;
  // Most devices have had few of them, or none.
  for (let code = 0; code < byCode.length; code++) {
    const count = byCode[code] ?? 0;
    if (count === 0) continue;
    rejected[REJECT_REASONS[code]!] = count;
    all += count;
  }
  return { received: all, accepted, rejected };
}
