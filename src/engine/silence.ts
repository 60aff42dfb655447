import { type Device, isBehind, watermark } from "./device.js";
import { foldDues } from "./fold-firing.js";

/**
 * What silence does: the event time of a device that has fallen silent is carried on, as far as its open windows need
 * it. Silence is measured in processing time.
 */

/** Whether a device has been silent for as long as its profile allows. */
export function isIdle(
  { plan, lastSeenMs }: Pick<Device, "plan" | "lastSeenMs">,
  processingMs: number,
): boolean {
  return processingMs - lastSeenMs >= plan.profile.time.idleTimeoutMs;
}

/** Where silence moves the watermark of a device to; undefined when it changes nothing. */
export function idleFloor(device: Device, processingMs: number): number | undefined {
  const { plan } = device;
  if (!isWaiting(device) || isBehind(device) || !isIdle(device, processingMs)) return undefined;
  const silentMs = processingMs - device.lastSeenMs;
  const estimateMs = device.maxTimeMs - plan.profile.time.outOfOrdernessMs + silentMs;
  const reachedMs = watermark(device, plan);
  let floorMs = Number.NEGATIVE_INFINITY;
  for (const windows of device.open) {
    for (const window of windows) {
      const finalMs = window.endMs + window.plan.definition.allowedLatenessMs;
      if (finalMs <= estimateMs) floorMs = Math.max(floorMs, finalMs);
      else if (window.endMs <= estimateMs) floorMs = Math.max(floorMs, window.endMs);
    }
  }
  for (const dueMs of foldDues(device)) if (dueMs <= estimateMs) floorMs = Math.max(floorMs, dueMs);
  return floorMs > reachedMs ? floorMs : undefined;
}

/**
 * Processing time from which `idleFloor` says something; Infinity for never, as long as nothing comes, and -Infinity for a
 * device that is behind.
 */
export function idleFrom(device: Device): number {
  if (isBehind(device)) return Number.NEGATIVE_INFINITY;
  const { plan } = device;
  const { idleTimeoutMs, outOfOrdernessMs } = plan.profile.time;
  if (!isWaiting(device) || idleTimeoutMs === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  const reachedMs = watermark(device, plan);
  let dueMs = Number.POSITIVE_INFINITY;
  const note = (ms: number) => {
    if (ms > reachedMs && ms < dueMs) dueMs = ms;
  };
  for (const windows of device.open) {
    for (const window of windows) {
      note(window.endMs);
      note(window.endMs + window.plan.definition.allowedLatenessMs);
    }
  }
  for (const ms of foldDues(device)) note(ms);
  return device.lastSeenMs + Math.max(idleTimeoutMs, dueMs - (device.maxTimeMs - outOfOrdernessMs));
}

function isWaiting(device: Device): boolean {
  return device.nextDueMs < Number.POSITIVE_INFINITY || device.folds.length > 0;
}
