import { type Cells, cellOf } from "../aggregate/cells.js";
import { REJECT_REASONS } from "../model/reasons.js";
import { type Device, type OpenWindow, watermark } from "./device.js";
import { fire, merged } from "./firing.js";
import { ACCEPTED_CELL, rejectedCell } from "./plan.js";
import type { Firing } from "./summarise.js";

/**
 * Early firings: what a window has so far, every time the watermark has gone on past another multiple of `early`. By
 * event time, so that a replay says the same; a window that nothing has come into since says nothing.
 */
export function fireEarly(on: Firing, device: Device): void {
  const nowMs = watermark(device, on.plan);
  const beforeMs = device.earlyToMs;
  if (nowMs <= beforeMs) return;
  device.earlyToMs = nowMs;
  if (beforeMs === Number.NEGATIVE_INFINITY || on.finalOnly) return;
  for (const windows of device.open) {
    for (const window of windows) {
      if (isEarly(window, beforeMs, nowMs)) fireOpen(on, device, window);
    }
  }
}

function fireOpen(on: Firing, device: Device, window: OpenWindow): void {
  if (!hasMore(window, merged(on.plan, device, window))) return;
  window.early++;
  fire(on, device, window, { final: false, open: true });
}

/** Whether something has come into a window since it was said early, which is noted as said. */
export function hasMore(window: { saidReceived: number }, cells: Cells): boolean {
  let received = cellOf(cells, ACCEPTED_CELL);
  for (let code = 0; code < REJECT_REASONS.length; code++) received += cellOf(cells, rejectedCell(code));
  if (received === window.saidReceived) return false;
  window.saidReceived = received;
  return true;
}

/** Whether a window says early what it has when the watermark goes on so. */
export function isEarly(
  { plan, startMs, endMs }: Pick<OpenWindow, "plan" | "startMs" | "endMs">,
  beforeMs: number,
  nowMs: number,
): boolean {
  const { earlyMs } = plan.definition;
  if (earlyMs === undefined || Math.floor(nowMs / earlyMs) === Math.floor(beforeMs / earlyMs)) return false;
  return startMs < nowMs && endMs > nowMs;
}
