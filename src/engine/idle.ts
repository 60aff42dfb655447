import { type Device, watermark } from "./device.js";
import { foldDues } from "./fold-firing.js";

/** Whether a device has been silent for as long as its profile allows. */
export function isIdle({ plan, lastSeenMs }: Device, processingMs: number): boolean {
  return processingMs - lastSeenMs >= plan.profile.time.idleTimeoutMs;
}

/** Where silence moves the watermark of a device to; undefined when it changes nothing. */
export function idleFloor(device: Device, processingMs: number): number | undefined {
  const { plan } = device;
  const waiting = device.nextDueMs < Number.POSITIVE_INFINITY || device.folds.length > 0;
  if (!waiting || !isIdle(device, processingMs)) return undefined;
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
