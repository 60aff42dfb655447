import { newCells } from "../aggregate/cells.js";
import { type Device, type OpenWindow, type Redefinition, watermark } from "./device.js";
import { closeWindow, type Firing } from "./firing.js";
import { type Plan, translateCells, type WindowPlan } from "./plan.js";

/** More than any device needs whose definitions are not changed by the minute. */
const REDEFINITIONS_MAX = 1_000;

/**
 * Moves one device from its definition to a new one. A window whose definition kept its meaning (name, bounds,
 * lateness, fields, units, aggregates) goes on; the slices it has gathered are retired: they keep their readings
 * for the duplicate filter and their cells for the window, translated to the new layout, but take nothing in,
 * because the new definition may cut time elsewhere. A window that is closed this way, or was final already, may come
 * up again under the new definition; it then is a summary of its own (`Redefinition`).
 */
export function reconfigureDevice(from: Firing, device: Device, to: Plan): void {
  const open: OpenWindow[][] = to.windows.map(() => []);
  for (const windows of device.open) {
    for (const window of windows) {
      const heir = to.windows.find((plan) => plan.signature === window.plan.signature);
      if (heir === undefined) closeWindow(from, device, window, true);
      else open[heir.index]!.push({ ...window, plan: heir });
    }
  }
  device.changed.length = 0;
  for (const window of open.flat()) {
    if (window.queued) device.changed.push(window);
    if (window.sealed !== undefined) {
      window.sealed = translateCells(from.plan, to, window.sealed, newCells(to.cellCount));
    }
  }
  device.retired.push(...device.slices);
  device.slices.length = 0;
  for (const slice of device.retired) {
    slice.cells = translateCells(from.plan, to, slice.cells, newCells(to.cellCount));
  }
  device.open = open;
  device.redefined = redefinitions(from.plan, device, to);
  device.nextDueMs = Math.min(
    Number.POSITIVE_INFINITY,
    ...open.flat().map((w) => (w.revision === 0 ? w.endMs : w.endMs + w.plan.definition.allowedLatenessMs)),
  );
}

/** The windows whose definition ends now, and those of before that still matter. */
function redefinitions(from: Plan, device: Device, to: Plan): Redefinition[] {
  const throughMs = device.maxTimeMs;
  if (throughMs === Number.NEGATIVE_INFINITY) return [];
  const ended = from.windows.filter(({ signature }) =>
    to.windows.every((plan) => plan.signature !== signature),
  );
  const known = [...from.windows, ...to.windows];
  const watermarkMs = watermark(device, from);
  const kept = device.redefined.filter((earlier) => {
    const namesakes = known.filter(({ definition }) => definition.name === earlier.name);
    return (
      namesakes.length === 0 || namesakes.some((plan) => mayChange(plan, earlier.throughMs, watermarkMs))
    );
  });
  const now = ended.map(({ definition }) => ({ name: definition.name, throughMs }));
  return [...kept, ...now].slice(-REDEFINITIONS_MAX);
}

/** Whether the window that holds `timeMs` is not final yet. */
function mayChange({ times, definition }: WindowPlan, timeMs: number, watermarkMs: number): boolean {
  return times.end(times.start(timeMs)) + definition.allowedLatenessMs > watermarkMs;
}
