import { newCells } from "../aggregate/cells.js";
import { type EngineProfile, type Field, meaningOf } from "../model/profile.js";
import { dueFrom } from "./assign.js";
import { type Device, isBehind, type OpenWindow, watermark } from "./device.js";
import { advance, closeWindow, dropRetired } from "./firing.js";
import { type Fold, newFold, type Position } from "./fold.js";
import { closeFold } from "./fold-firing.js";
import { translateHeld } from "./held.js";
import { type BoundedPlan, type FoldPlan, type Plan, translateCells } from "./plan.js";
import { redefine } from "./redefinition.js";
import { Share } from "./share.js";
import { anyValues, HASH, type Slice, VALUES } from "./slice.js";
import type { Firing } from "./summarise.js";

/**
 * Moves one device from its definition to a new one. A window whose definition kept its meaning (name, bounds,
 * lateness, fields, units, aggregates) goes on. Slices are retired: they keep their readings for the duplicate filter,
 * and their cells for windows that go on, translated to the new layout, but take nothing in, because the new definition
 * may cut time elsewhere. A window that is closed this way, or was final already, may come up again under the new
 * definition; it then is a summary of its own (`Redefinition`).
 * @returns whether it has moved; if not, some of what is to be closed is, and the rest has to be
 */
export function reconfigureDevice(from: Firing, device: Device, to: Plan): boolean {
  const share = new Share(from);
  device.reshaped = true;
  if (isBehind(device)) advance(from, device);
  if (isBehind(device) || !closeEnded(from, device, to, share)) return false;
  const open: OpenWindow[][] = to.windows.map(() => []);
  for (const window of device.open.flat()) {
    const heir = heirOf(window.plan, to)!;
    open[heir.index]!.push({ ...window, plan: heir });
  }
  device.changed.length = 0;
  for (const window of open.flat()) {
    if (window.queued) device.changed.push(window);
    if (window.sealed !== undefined) {
      window.sealed = translateCells(from.plan, to, window.sealed, newCells(to.cellCount));
    }
  }
  // What is final stays so where more disorder is allowed now.
  device.idleFloorMs = watermark(device, from.plan);
  device.plan = to;
  device.open = open;
  device.series = to.windows.map(({ signature }) => {
    const before = from.plan.windows.find((plan) => plan.signature === signature);
    return before === undefined ? undefined : device.series[before.index];
  });
  const folds = inherited(from, device, to);
  device.retired.push(...device.slices);
  device.slices.length = 0;
  device.epoch++;
  device.folds = to.folds.map((plan) => folds.get(plan) ?? newFold(plan, device.epoch));
  // Of a profile that is gone nothing is filtered any more.
  if (to.profile.windows.length === 0) dropRetired(from, device);
  device.bounds = to.ordered.map(({ field }) =>
    boundUnder(from.plan, device.bounds, to.profile.fields[field]!),
  );
  const rows = { places: keptPlaces(from.plan, to), alike: readsAlike(from.plan.profile, to.profile) };
  for (const [i, slice] of device.retired.entries()) {
    device.retired[i] = translated(slice, from.plan, to, rows);
    from.plan.slices.drop(slice);
  }
  device.redefined = redefine(device.redefined, ended(from.plan, to), device.maxTimeMs);
  translateHeld(device, from.plan, to);
  device.nextDueMs = Math.min(
    Number.POSITIVE_INFINITY,
    ...open
      .flat()
      .map((w) => (w.revision === w.early ? w.endMs : w.endMs + w.plan.definition.allowedLatenessMs)),
    ...device.retired.map(({ dueMs }) => dueMs),
  );
  return true;
}

function heirOf({ signature }: Pick<BoundedPlan, "signature">, to: Plan): BoundedPlan | undefined {
  return to.windows.find((plan) => plan.signature === signature);
}

function foldHeirOf({ signature }: Pick<FoldPlan, "signature">, to: Plan): FoldPlan | undefined {
  return to.folds.find((plan) => plan.signature === signature);
}

/** Closes what does not go on. @returns whether the share was enough for it */
function closeEnded(from: Firing, device: Device, to: Plan, share: Share): boolean {
  for (const windows of device.open) {
    if (windows.length === 0 || heirOf(windows[0]!.plan, to) !== undefined) continue;
    let closed = 0;
    while (closed < windows.length && !share.isSpent) {
      if (!closeWindow(from, device, windows[closed]!, { reconfigured: true, room: share.room })) break;
      closed++;
      share.spend();
    }
    windows.splice(0, closed);
    if (windows.length > 0) return false;
  }
  return device.folds.every(
    (fold) =>
      foldHeirOf(fold.plan, to) !== undefined || closeFold(from, device, fold, { reconfigured: true, share }),
  );
}

/** The folds that go on, by their new plan. */
function inherited(from: Firing, device: Device, to: Plan): ReadonlyMap<FoldPlan, Fold> {
  const heirs = new Map<FoldPlan, Fold>();
  const translatedTo = (at: Position): Position => {
    const bounds = to.ordered.map(({ field }) => boundUnder(from.plan, at.bounds, to.profile.fields[field]!));
    if (at.run === undefined) return { ...at, bounds };
    const cells = translateCells(from.plan, to, at.run.cells, newCells(to.cellCount));
    return { ...at, bounds, run: { ...at.run, cells } };
  };
  for (const fold of device.folds) {
    const plan = foldHeirOf(fold.plan, to);
    if (plan === undefined) continue;
    const { epoch, settled, ahead, told, againMs } = fold;
    heirs.set(plan, {
      plan,
      epoch,
      settled: translatedTo(settled),
      ahead: ahead === undefined ? undefined : translatedTo(ahead),
      told,
      againMs,
    });
  }
  return heirs;
}

/** What is remembered of a field that was there before and means the same. */
function boundUnder<T>({ ordered, profile }: Plan, bounds: readonly T[], field: Field): T | undefined {
  const meaning = meaningOf(field);
  const index = ordered.findIndex((each) => meaningOf(profile.fields[each.field]!) === meaning);
  return index < 0 ? undefined : bounds[index];
}

/** How rows of one layout become rows of another. */
interface TranslatedRows {
  /** For each field kept there its place among the fields kept here, -1 for none. */
  readonly places: readonly number[];
  /** Whether a reading that comes again has the values that it had. */
  readonly alike: boolean;
}

/** A slice of another layout with the same readings. */
function translated(slice: Slice, from: Plan, to: Plan, { places, alike }: TranslatedRows): Slice {
  const cells = from.slices.cellsOf(slice);
  // Windows of the new definition may take in for longer what has been here.
  const dueMs = Math.max(slice.dueMs, dueFrom(to, slice.endMs - 1, slice.endMs));
  const copy = to.slices.make({ ...slice, dueMs });
  translateCells(from, to, cells, copy.cells);
  to.slices.reserve(copy, slice.held);
  copy.words = slice.words;
  copy.held = slice.held;
  for (let i = 0; i < slice.held; i++) {
    const at = slice.rows.base + i * from.slices.width;
    const into = copy.rows.base + i * to.slices.width;
    copy.rows.numbers[into] = slice.rows.numbers[at]!;
    const hash = slice.rows.numbers[at + HASH]!;
    copy.rows.numbers[into + HASH] = alike ? hash : anyValues(hash);
    for (const [j, place] of places.entries()) {
      copy.rows.numbers[into + VALUES + j] =
        place < 0 ? Number.NaN : slice.rows.numbers[at + VALUES + place]!;
    }
  }
  to.slices.measure(copy);
  return copy;
}

/** Place among the fields that were kept in rows of each that is now; -1 where there is none. */
function keptPlaces(from: Plan, to: Plan): number[] {
  const meanings = from.slices.kept.map((field) => meaningOf(from.profile.fields[field]!));
  return to.slices.kept.map((field) => meanings.indexOf(meaningOf(to.profile.fields[field]!)));
}

/**
 * Whether readings that come again under another definition have the values that they had, as far as the engine can tell:
 * it knows neither how they are decoded nor what a computed field is computed by.
 */
function readsAlike(from: EngineProfile, to: EngineProfile): boolean {
  if (from.fields === to.fields) return true;
  const isComputed = ({ compute }: Field) => compute !== undefined;
  if (from.fields.some(isComputed) || to.fields.some(isComputed)) return false;
  return JSON.stringify([from.fields, from.clean]) === JSON.stringify([to.fields, to.clean]);
}

/** Names of the windows whose definition ends. */
function ended(from: Plan, to: Plan): string[] {
  const all = [...to.windows, ...to.folds];
  const gone = [...from.windows, ...from.folds].filter(({ signature }) =>
    all.every((plan) => plan.signature !== signature),
  );
  return gone.map(({ definition }) => definition.name);
}
