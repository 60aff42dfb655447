import { type Cells, cellOf, newCells } from "../aggregate/cells.js";
import type { FieldPartials, Mergeable } from "../model/partials.js";
import { REJECT_REASONS } from "../model/reasons.js";
import type { Summary, SummaryField, SummaryQuality, SummaryWindow } from "../model/summary.js";
import { formatInstant } from "../model/time.js";
import { type Device, type OpenWindow, slicesOf, watermark } from "./device.js";
import { ACCEPTED_CELL, mergeCells, type Plan, rejectedCell, VALUE_FATES } from "./plan.js";
import type { Slice } from "./slice.js";

/**
 * When windows fire and what they say.
 *
 * A window fires when the watermark reaches its end; again at the end of a block in which late readings changed
 * it; and once more, as final, when the watermark is `allowedLateness` past the end, after which it is forgotten.
 * With no lateness the first firing is the final one. What a firing says depends on the readings alone, not on
 * their order; only `revision` and `quality` tell how they came.
 */
export interface Firing {
  readonly gateway: string;
  readonly plan: Plan;
  /** Whether nobody wants to hear of firings that are not final. */
  readonly finalOnly: boolean;
  /** Whether summaries come with the state that merging them needs. */
  readonly mergeable: boolean;
  readonly emit: (summary: Summary) => void;
}

/** Fires and lets go of whatever is due at the device's watermark. */
export function advance(on: Firing, device: Device): void {
  const watermarkMs = watermark(device, on.plan);
  let nextDueMs = Number.POSITIVE_INFINITY;
  for (const windows of device.open) {
    if (windows.length > 0) nextDueMs = Math.min(nextDueMs, advanceWindows(on, device, windows, watermarkMs));
  }
  device.advancedToMs = watermarkMs;
  device.nextDueMs = Math.min(nextDueMs, letGo(on, device, watermarkMs));
}

/**
 * Windows of one definition end in the order in which they begin: the final ones are in front, the ones that fire
 * for the first time near the back, and those in between, of which lateness may make many, need no look.
 * @returns the watermark at which there is more to do
 */
function advanceWindows(on: Firing, device: Device, windows: OpenWindow[], watermarkMs: number): number {
  let finals = 0;
  while (finals < windows.length && finalAtMs(windows[finals]!) <= watermarkMs) {
    const window = windows[finals++]!;
    fire(on, device, window, { final: true });
  }
  if (finals === 1) windows.shift();
  else if (finals > 1) windows.splice(0, finals);
  let behind = windows.length;
  while (behind > 0 && windows[behind - 1]!.endMs > watermarkMs) behind--;
  let first = behind;
  while (first > 0 && windows[first - 1]!.endMs > device.advancedToMs) first--;
  for (let i = first; i < behind; i++) {
    const window = windows[i]!;
    if (window.revision === 0 && !window.queued) fire(on, device, window, { final: false });
  }
  const nextEndMs = behind < windows.length ? windows[behind]!.endMs : Number.POSITIVE_INFINITY;
  return windows.length === 0 ? nextEndMs : Math.min(nextEndMs, finalAtMs(windows[0]!));
}

/** Watermark at which nothing can change the window any more. */
function finalAtMs(window: OpenWindow): number {
  return window.endMs + window.plan.definition.allowedLatenessMs;
}

/** Fires the windows that late readings have changed. */
export function fireChanged(on: Firing, device: Device): void {
  for (const window of device.changed) {
    if (window.queued) fire(on, device, window, { final: false });
  }
  device.changed.length = 0;
}

/** Fires a window as final although its time has not come: the input has ended, or its definition has. */
export function closeWindow(on: Firing, device: Device, window: OpenWindow, reconfigured: boolean): void {
  fire(on, device, window, { final: true, reconfigured });
}

/**
 * Lets go of the slices that no reading can change any more; what is in them goes into the global windows.
 * @returns the watermark at which there is more to do
 */
function letGo(on: Firing, device: Device, watermarkMs: number): number {
  const { slices, retired } = device;
  for (let i = 0; i < retired.length; i++) {
    if (retired[i]!.dueMs > watermarkMs) continue;
    seal(on, device, retired[i]!);
    on.plan.slices.drop(retired[i]!);
    retired.splice(i--, 1);
  }
  let due = 0;
  while (due < slices.length && slices[due]!.dueMs <= watermarkMs) {
    seal(on, device, slices[due]!);
    on.plan.slices.drop(slices[due++]!);
  }
  // One at the front goes, nearly always; that costs nothing.
  if (due === 1) slices.shift();
  else if (due > 1) slices.splice(0, due);
  let nextDueMs = slices.length > 0 ? slices[0]!.dueMs : Number.POSITIVE_INFINITY;
  for (const { dueMs } of retired) nextDueMs = Math.min(nextDueMs, dueMs);
  return nextDueMs;
}

/** A global window outlives its slices. */
function seal(on: Firing, device: Device, slice: Slice): void {
  for (const { isGlobal, index } of on.plan.windows) {
    const window = isGlobal ? device.open[index]![0] : undefined;
    if (window === undefined || slice.epoch < window.epoch) continue;
    window.sealed ??= newCells(on.plan.cellCount);
    mergeCells(on.plan, window.sealed, slice.cells);
  }
}

/** Lets go of slices of earlier epochs that no open window has anything of. */
export function dropRetired(on: Firing, device: Device): void {
  const needed = new Set(device.open.flat().flatMap((window) => slicesOf(device, window)));
  const { retired } = device;
  for (let i = 0; i < retired.length; i++) {
    if (needed.has(retired[i]!)) continue;
    on.plan.slices.drop(retired[i]!);
    retired.splice(i--, 1);
  }
}

interface FiringKind {
  readonly final: boolean;
  readonly reconfigured?: boolean;
}

function fire(on: Firing, device: Device, fired: OpenWindow, kind: FiringKind): void {
  const { name } = device;
  const revision = fired.revision++;
  fired.queued = false;
  const { final } = kind;
  if (on.finalOnly && !final) return;
  const { gateway } = on;
  const profile = on.plan.label;
  const window = describe(fired);
  const part = fired.part === 1 ? "" : `/${fired.part}`;
  const id = `${deviceId(on, name)}/${window.name}/${window.start ?? "all"}${part}`;
  const cells = merged(on.plan, device, fired);
  const fields = results(fired, cells);
  const counts = quality(on.plan, cells);
  // Spelled out twice: a spread takes ten times as long as the rest of the object.
  const summary: Writable<Summary> = kind.reconfigured
    ? {
        id,
        revision,
        final,
        reconfigured: true,
        gateway,
        device: name,
        profile,
        window,
        fields,
        quality: counts,
      }
    : { id, revision, final, gateway, device: name, profile, window, fields, quality: counts };
  if (device.lostThroughMs.some((throughMs) => fired.startMs <= throughMs)) summary.incomplete = true;
  if (on.mergeable && fired.plan.tiles) {
    summary.mergeable = mergeable(fired, cells, `${profile}/${deviceId(on, name)}${part}`);
  }
  on.emit(summary);
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function mergeable(fired: OpenWindow, cells: Cells, of: string): Mergeable {
  const partials: Record<string, FieldPartials> = {};
  for (const { field, plan, index, accumulators, values } of fired.plan.outputs) {
    if (cellOf(cells, plan.at.count!) === 0) continue;
    const state: Record<string, FieldPartials["state"][string]> = {};
    for (const accumulator of accumulators) {
      state[accumulator.name] = accumulator.save(cells, plan.at[accumulator.name]!);
    }
    partials[field.name] = { index, values, state };
  }
  const { startMs, endMs } = fired;
  const series = `${of}/${fired.plan.meaning}`;
  return { series, startMs, endMs, ladderMs: fired.plan.definition.coarsenMs, partials };
}

/** Consecutive summaries are often those of one device: what their ids begin with is kept. */
let known = { gateway: "", profile: "", name: "", id: "" };

function deviceId({ gateway, plan }: Firing, name: string): string {
  const profile = plan.profile.id;
  if (name !== known.name || profile !== known.profile || gateway !== known.gateway) {
    known = { gateway, profile, name, id: `${gateway}/${profile}/${encodeURIComponent(name)}` };
  }
  return known.id;
}

function merged(plan: Plan, device: Device, window: OpenWindow): Cells {
  const slices = slicesOf(device, window);
  if (slices.length === 1 && window.sealed === undefined) return slices[0]!.cells;
  const total = newCells(plan.cellCount);
  if (window.sealed !== undefined) mergeCells(plan, total, window.sealed);
  for (const slice of slices) mergeCells(plan, total, slice.cells);
  return total;
}

function describe(window: OpenWindow): SummaryWindow {
  const { name, kind } = window.plan.definition;
  if (window.plan.isGlobal) return { name, kind: "global" };
  const type = kind.type === "day" ? "tumbling" : kind.type;
  return { name, kind: type, start: formatInstant(window.startMs), end: formatInstant(window.endMs) };
}

function results(window: OpenWindow, cells: Cells): Record<string, SummaryField> {
  const fields: Record<string, SummaryField> = {};
  for (const { field, plan, aggregates } of window.plan.outputs) {
    if (cellOf(cells, plan.at.count!) === 0) continue;
    const result: Record<string, number | string | null> = {};
    if (field.unit !== undefined) result.unit = field.unit;
    const inputs = { cells, at: plan.at, field };
    for (const aggregate of aggregates) result[aggregate.name] = aggregate.result(inputs);
    fields[field.name] = result;
  }
  return fields;
}

function quality(plan: Plan, cells: Cells): SummaryQuality {
  const accepted = cellOf(cells, ACCEPTED_CELL);
  // Keys come in the order in which they are first set.
  const result: Record<string, number | Record<string, Record<string, number>>> = { received: 0, accepted };
  const fields = fatesByField(plan, cells);
  if (fields !== undefined) result.fields = fields;
  let received = accepted;
  for (let code = 0; code < REJECT_REASONS.length; code++) {
    const count = cellOf(cells, rejectedCell(code));
    if (count === 0) continue;
    result[REJECT_REASONS[code]!] = count;
    received += count;
  }
  result.received = received;
  return result as unknown as SummaryQuality;
}

/** Undefined when nothing was done to any value. */
function fatesByField(plan: Plan, cells: Cells): Record<string, Record<string, number>> | undefined {
  let fields: Record<string, Record<string, number>> | undefined;
  for (const { name, fatesAt } of plan.fields) {
    for (let fate = 0; fate < VALUE_FATES.length; fate++) {
      const count = cellOf(cells, fatesAt + fate);
      if (count === 0) continue;
      fields ??= {};
      fields[name] ??= {};
      fields[name][VALUE_FATES[fate]!] = count;
    }
  }
  return fields;
}
