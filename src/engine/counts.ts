import { REJECT_REASONS, type RejectReason } from "../model/reasons.js";
import type { Device } from "./device.js";

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
  readonly openWindows: number;
}

export function countsOf(device: Device): DeviceCounts {
  const rejected: Partial<Record<RejectReason, number>> = {};
  let received = device.accepted;
  REJECT_REASONS.forEach((reason, code) => {
    const count = device.rejected[code] ?? 0;
    if (count === 0) return;
    rejected[reason] = count;
    received += count;
  });
  return {
    profile: device.profileId,
    device: device.name,
    received,
    accepted: device.accepted,
    rejected,
    waiting: device.held.length,
    partlyLate: device.partlyLate,
    conflicting: device.conflicting,
    lastTimeMs: Number.isFinite(device.maxTimeMs) ? device.maxTimeMs : undefined,
    openWindows: device.open.reduce((sum, windows) => sum + windows.length, 0),
  };
}
