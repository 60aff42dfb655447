import { type Cells, cellOf } from "../aggregate/cells.js";
import { REJECT_REASONS } from "../model/reasons.js";
import type { WindowDefinition } from "../model/window.js";
import { type Device, type OpenWindow, watermark } from "./device.js";
import { fire, merged } from "./firing.js";
import { tellOpen } from "./fold-firing.js";
import { ACCEPTED_CELL, rejectedCell } from "./plan.js";
import type { Firing } from "./summarise.js";

/**
 * Early firings: what a window has so far, every time the watermark has gone on past another multiple of `early`. By
 * event time, so that a replay says the same; a window that nothing has come into since says nothing.
 */
export function fireEarly(on: Firing, device: Device, step: EarlyStep): void {
  for (const windows of device.open) {
    for (const window of windows) {
      if (isEarly(window, step)) fireOpen(on, device, window);
    }
  }
}

/** The same of windows whose bounds follow from the readings, when their folds have come to the watermark. */
export function fireFoldsEarly(on: Firing, device: Device, step: EarlyStep): void {
  for (const fold of device.folds) if (isPassed(fold.plan.definition, step)) tellOpen(on, device, fold);
}

/** How far a watermark has gone on since the last look for early firings. */
export interface EarlyStep {
  readonly beforeMs: number;
  readonly nowMs: number;
}

/** Has a look. @returns undefined where there is nothing to fire */
export function earlyStep({ plan, finalOnly }: Firing, device: Device): EarlyStep | undefined {
  if (!plan.early) return undefined;
  const nowMs = watermark(device, plan);
  const beforeMs = device.earlyToMs;
  if (nowMs <= beforeMs) return undefined;
  device.earlyToMs = nowMs;
  return beforeMs === Number.NEGATIVE_INFINITY || finalOnly ? undefined : { beforeMs, nowMs };
}

/** Whether it has passed a multiple of `early`. */
function isPassed({ earlyMs }: WindowDefinition, { beforeMs, nowMs }: EarlyStep): boolean {
  return earlyMs !== undefined && Math.floor(nowMs / earlyMs) !== Math.floor(beforeMs / earlyMs);
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
  step: EarlyStep,
): boolean {
  return isPassed(plan.definition, step) && startMs < step.nowMs && endMs > step.nowMs;
}
