import { LIMITS } from "../model/limits.js";
import { type Device, watermark } from "./device.js";
import { closeWindow, dropRetired } from "./firing.js";
import { closeFolds, renewFolds } from "./fold-firing.js";
import type { ProfileState } from "./profile-state.js";
import { redefine } from "./redefinition.js";
import type { Firing } from "./summarise.js";

/**
 * When the gateway's clock is set back, or is found to have been ahead.
 *
 * Arrival stamps follow the wall clock. After a step forward a device's windows close early and its watermark is
 * ahead; that cannot be told from time that passed. When the clock then goes back, stamps lie behind the watermark, and
 * by the watermark's rule everything would be late until the wrong time has come again, in an hour or in fifty years.
 * But a reading that has its time from its arrival is never late. Where the lateness of its windows does not
 * take it in:
 *
 * - Behind the watermark by no more than `clockBackMsMax` (or `maxFuture`, since event times of other readings may be
 *   as far ahead), it is moved up to the watermark. So stamps stand still while a clock is set back by seconds.
 * - Beyond that the device's time begins anew at the reading: open windows that begin later are closed as they are, the
 *   watermark falls back, and the windows that begin by the highest time of before may have been emitted already: what
 *   comes of them from now on has ids of its own (redefinition.ts). Windows that are open and hold the new time go on.
 *
 * A reading with an event time of its own can be late. But where the device's time is further ahead of the arrival
 * than `maxFuture`, it came to be there by a clock that was ahead too, or not set; by today's clock those readings would
 * have been rejected, so they hold nobody up: the device's time begins anew likewise. Under `maxFuture: never` nothing
 * is too far ahead. But a packet that is sent again does not begin it: it may have been counted where nothing is known of
 * that any more, and a sender repeats what is on its way before it sends anything new (MQTT 3.1.1, section 4.4).
 */
export interface Arriving {
  readonly timeMs: number;
  readonly arrivalMs: number;
  readonly hasOwnTime: boolean;
  /** Whether its packet may have come before. */
  readonly isRepeated: boolean;
  readonly clockTrusted: boolean;
}

/** The time that a late reading gets, after the device's time has begun anew if it must. */
export function timeOfLate(on: Firing, device: Device, reading: Arriving): number {
  const { timeMs, arrivalMs, hasOwnTime, isRepeated, clockTrusted } = reading;
  const { maxFutureMs } = on.plan.profile.time;
  const { clockBackMsMax } = LIMITS;
  if (hasOwnTime) {
    const aheadMs = Math.max(device.maxTimeMs, device.idleFloorMs) - arrivalMs;
    const isTooFar = clockTrusted && aheadMs > maxFutureMs + clockBackMsMax;
    if (isTooFar && !isRepeated) beginAnew(on, device, timeMs, arrivalMs);
    return timeMs;
  }
  const watermarkMs = watermark(device, on.plan);
  if (watermarkMs - timeMs <= Math.max(clockBackMsMax, maxFutureMs)) return watermarkMs;
  beginAnew(on, device, timeMs, arrivalMs);
  return timeMs;
}

/** Devices whose time begins anew with the next reading of this clock, and by how much the furthest of them is ahead. */
export function devicesAhead(
  states: Iterable<ProfileState>,
  nowMs: number,
): { readonly devices: number; readonly byMs: number } {
  let devices = 0;
  let furthestMs = 0;
  for (const { plan, retired, away, devices: present } of states) {
    if (retired) continue;
    const toleratedMs = Math.max(LIMITS.clockBackMsMax, plan.profile.time.maxFutureMs);
    const look = (timeMs: number) => {
      if (timeMs - nowMs <= toleratedMs) return;
      devices++;
      furthestMs = Math.max(furthestMs, timeMs - nowMs);
    };
    for (const { maxTimeMs, idleFloorMs } of present.values()) look(Math.max(maxTimeMs, idleFloorMs));
    for (const row of away.rows()) look(away.aheadMsOf(row));
  }
  return { devices, byMs: furthestMs };
}

function beginAnew(on: Firing, device: Device, timeMs: number, arrivalMs: number): void {
  // As what they were until now.
  closeFolds(on, device);
  for (const windows of device.open) {
    const from = windows.findIndex(({ startMs }) => startMs > timeMs);
    if (from < 0) continue;
    for (const window of windows.splice(from)) closeWindow(on, device, window, {});
  }
  // Not sooner: a hole that is filled before a window that is closed is as old as that window.
  const bounded = on.plan.windows.filter((plan) => !plan.isGlobal && !plan.definition.forGroup);
  const names = [...bounded, ...on.plan.folds].map(({ definition }) => definition.name);
  device.redefined = redefine(device.redefined, names, device.maxTimeMs);
  on.groups?.begunAnew(device, timeMs, arrivalMs);
  const newest = device.slices.at(-1);
  if (newest !== undefined) on.plan.slices.measure(newest);
  // They may lie across an edge where only one side goes on; new ones are cut for what comes.
  device.retired.push(...device.slices);
  device.slices.length = 0;
  device.epoch++;
  device.reshaped = true;
  renewFolds(on, device);
  device.series = [];
  device.earlyToMs = Number.NEGATIVE_INFINITY;
  dropRetired(on, device);
  device.bounds = device.bounds.map((bound) =>
    bound !== undefined && bound.timeMs < timeMs ? bound : undefined,
  );
  device.maxTimeMs = timeMs;
  device.idleFloorMs = Number.NEGATIVE_INFINITY;
  device.advancedToMs = watermark(device, on.plan);
  device.nextDueMs = Number.POSITIVE_INFINITY;
  for (const window of device.open.flat()) {
    const finalMs = window.endMs + window.plan.definition.allowedLatenessMs;
    device.nextDueMs = Math.min(device.nextDueMs, window.revision === window.early ? window.endMs : finalMs);
  }
  for (const { dueMs } of device.retired) device.nextDueMs = Math.min(device.nextDueMs, dueMs);
}
