import { newCells } from "../aggregate/cells.js";
import { canonicalJson, type Summary, type SummaryWindow } from "../model/summary.js";
import { formatInstant } from "../model/time.js";

import { type Device, watermark } from "./device.js";
import {
  branch,
  type Ended,
  end,
  type Fold,
  foldTo,
  inOrder,
  isOpen,
  isSame,
  newFold,
  type Position,
  standing,
  type Told,
  type Which,
} from "./fold.js";
import { partOf } from "./redefinition.js";
import type { Share } from "./share.js";
import type { Slice } from "./slice.js";
import { type Firing, summarise } from "./summarise.js";
import { hashText } from "./value-hash.js";

/** When folded windows (fold.ts) fire, and what is done about those that have fired too early. */

/** Fires what has ended by the device's watermark. @returns whether the share was enough for all of it */
export function advanceFolds(on: Firing, device: Device, share: Share): boolean {
  const watermarkMs = watermark(device, on.plan);
  for (const fold of device.folds) {
    const { allowedLatenessMs } = fold.plan.definition;
    if (!settle({ on, device, fold }, watermarkMs - allowedLatenessMs, share)) return false;
    if (allowedLatenessMs === 0 || on.finalOnly) continue;
    if (!lookAhead({ on, device, fold }, watermarkMs, share)) return false;
  }
  return true;
}

/**
 * Goes on to where no reading can come any more, as the end of a block does: to be called before a reading is taken in
 * that comes too late for a fold, and not for other windows. It must not be in the fold, however blocks are cut.
 */
export function passLate(on: Firing, device: Device): void {
  const watermarkMs = watermark(device, on.plan);
  for (const fold of device.folds) {
    const toMs = watermarkMs - fold.plan.definition.allowedLatenessMs;
    if (fold.settled.throughMs < toMs) settle({ on, device, fold }, toMs);
  }
}

/** Says what the window has that is open where a fold stands. It ends as if nothing came any more. */
export function tellOpen(on: Firing, device: Device, fold: Fold): void {
  const { run } = standing(fold);
  if (run === undefined) return;
  const dueMs = fold.plan.kind.dueMs(run);
  const endMs = dueMs < Number.POSITIVE_INFINITY ? dueMs : run.lastMs;
  tell({ on, device, fold }, { ...run, endMs, endedMs: endMs }, true);
  // It may be one more that is told.
  device.reshaped = true;
}

/** Fires everything as final: nothing comes any more. */
export function closeFolds(on: Firing, device: Device): void {
  for (const fold of device.folds) closeFold(on, device, fold);
}

/**
 * Fires everything of one fold as final.
 * @param closing because of another definition, and as far as a share goes; neither unless given
 * @returns whether all of it has been said
 */
export function closeFold(
  on: Firing,
  device: Device,
  fold: Fold,
  closing: { readonly reconfigured?: boolean; readonly share?: Share } = {},
): boolean {
  const where = { on, device, fold, reconfigured: closing.reconfigured === true };
  if (!settle(where, Number.POSITIVE_INFINITY, closing.share)) return false;
  const { run } = fold.settled;
  if (run !== undefined) end(fold.settled, run.lastMs, run.lastMs, (window) => tellFinal(where, window));
  while (fold.told.length > 0) {
    if (closing.share?.isSpent) return false;
    retract(where, fold.told.shift()!, true);
    closing.share?.spend();
  }
  return true;
}

/** Starts all folds anew, with nothing of what was before. */
export function renewFolds(on: Firing, device: Device): void {
  device.folds = on.plan.folds.map((plan) => newFold(plan, device.epoch));
}

/** Notes that a reading has come at a time that machines may have passed. */
export function disturb(device: Device, timeMs: number): void {
  for (const fold of device.folds) {
    if (fold.ahead !== undefined && timeMs < fold.ahead.throughMs) fold.ahead = undefined;
  }
}

/** Whether a fold may still ask for readings of a slice. */
export function isToBeFolded({ folds }: Device, slice: Slice): boolean {
  return folds.some(
    ({ plan, epoch, settled }) => slice.epoch >= epoch && slice.endMs > settled.throughMs - plan.kind.reachMs,
  );
}

/** Watermarks at which folded windows have something to fire. */
export function foldDues(device: Device): number[] {
  const dues: number[] = [];
  for (const fold of device.folds) {
    const { plan, settled, ahead, told } = fold;
    const latenessMs = plan.definition.allowedLatenessMs;
    // What the machines have not come to may end a window by itself, or begin one that then has an end.
    const unseenMs = device.maxTimeMs + 1;
    if (settled.throughMs <= device.maxTimeMs) dues.push(unseenMs, unseenMs + latenessMs);
    if (settled.run !== undefined) dues.push(plan.kind.dueMs(settled.run) + latenessMs);
    if (ahead?.run !== undefined) dues.push(plan.kind.dueMs(ahead.run));
    for (const each of told) {
      // One that was taken back ends nothing: it waits for those that have its readings.
      if (each.digest !== undefined && !isOpen(fold, each)) dues.push(each.endedMs + latenessMs + 1);
    }
  }
  return dues;
}

/** How many folded windows of a device may fire at a time: one for each reading that they have not come to, and what was told. */
export function foldFiringsMax({ folds, slices }: Device): number {
  let count = 0;
  for (const { settled, told } of folds) {
    count += 1 + told.length;
    for (const { endMs, held, spilled } of slices) {
      if (endMs > settled.throughMs) count += spilled ? Number.POSITIVE_INFINITY : held;
    }
  }
  return count;
}

interface Where {
  readonly on: Firing;
  readonly device: Device;
  readonly fold: Fold;
  readonly reconfigured?: boolean;
}

/** @returns whether it has come there, and was not stopped because the share is spent */
function settle(where: Where, toMs: number, share?: Share): boolean {
  const { on, device, fold } = where;
  const to = { toMs, isEnough: () => share?.isSpent === true };
  const ended = (window: Ended) => {
    tellFinal(where, window);
    share?.spend();
  };
  foldTo({ plan: on.plan, device, fold, at: fold.settled }, to, ended);
  forgetRetracted(where);
  return fold.settled.throughMs >= toMs;
}

/** What was taken back may come up again, until no reading can come any more that would make it. */
function forgetRetracted(where: Where): void {
  const { plan, told, settled } = where.fold;
  const { throughMs, run } = settled;
  const { reachMs } = plan.kind;
  // By then it has seen every reading that a window of that start can begin with.
  for (let i = 0; i < told.length && told[i]!.startMs + reachMs < throughMs; ) {
    const each = told[i]!;
    if (each.digest !== undefined || (run !== undefined && isSame(run, each))) {
      i++;
      continue;
    }
    retract(where, each, true);
    told.splice(i, 1);
  }
}

function tellFinal(where: Where, window: Ended): void {
  const { fold } = where;
  const told = takeTold(fold, window);
  const part = partNow(where, window, told);
  where.on.summaries.push(say(where, window, { part, revision: (told?.revision ?? -1) + 1, final: true }));
}

/** Index of the first that is not before it: with a long lateness there are many. */
function placeIn(told: readonly Told[], which: Which): number {
  let low = 0;
  let high = told.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (inOrder(told[middle]!, which) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function findTold(told: readonly Told[], which: Which): Told | undefined {
  const found = told[placeIn(told, which)];
  return found !== undefined && isSame(found, which) ? found : undefined;
}

function addTold(told: Told[], added: Told): void {
  const place = placeIn(told, added);
  if (place === told.length) told.push(added);
  else told.splice(place, 0, added);
}

/**
 * Says what has ended on time; where a late reading has come since, says anew what it has changed.
 * @returns whether it has come there, and was not stopped because the share is spent
 */
function lookAhead(where: Where, watermarkMs: number, share: Share): boolean {
  const { on, fold } = where;
  if (fold.ahead === undefined) goBack(fold, watermarkMs);
  // The other one may have overtaken it in a great step of time.
  if (fold.ahead === undefined || fold.ahead.throughMs < fold.settled.throughMs) {
    fold.ahead = branch(on.plan, fold.settled);
  }
  const { ahead, againMs } = fold;
  if (againMs !== undefined) {
    if (!tellAhead(where, { ahead, toMs: againMs, share })) return false;
    if (!takeBack(where, ahead, share)) return false;
    fold.againMs = undefined;
  }
  return tellAhead(where, { ahead, toMs: watermarkMs, share });
}

/** Since a late reading has come all that was said so far has to be gone over once more. */
function goBack(fold: Fold, watermarkMs: number): void {
  if (fold.told.length === 0) return;
  const saidMs = fold.told.reduce((last, { endedMs }) => Math.max(last, endedMs), Number.NEGATIVE_INFINITY);
  fold.againMs = Math.min(saidMs + 1, watermarkMs);
  fold.told = fold.told.map((told) => ({ ...told, again: true }));
}

/** Takes back what was said and is not there any more. @returns whether the share was enough for it */
function takeBack(where: Where, { run }: Position, share: Share): boolean {
  const { told } = where.fold;
  for (const [i, each] of told.entries()) {
    if (!each.again) continue;
    // One that lasts longer is still there: it is said anew when it has ended.
    if (each.digest === undefined || (run !== undefined && isSame(run, each))) {
      told[i] = { ...each, again: false };
      continue;
    }
    if (share.isSpent) return false;
    told[i] = retract(where, each, false);
    share.spend();
  }
  return true;
}

interface Ahead {
  readonly ahead: Position;
  readonly toMs: number;
  readonly share: Share;
}

/** @returns whether it has come there, and was not stopped because the share is spent */
function tellAhead(where: Where, { ahead, toMs, share }: Ahead): boolean {
  const { on, device, fold } = where;
  let ended = 0;
  // Between two that end there is no stop: a machine that was stored, and goes over less, stops at the same ones.
  const isEnough = () => ended > 0 && share.isSpent;
  const tellEnded = (window: Ended) => {
    ended++;
    share.spend();
    tell(where, window, false);
  };
  foldTo({ plan: on.plan, device, fold, at: ahead }, { toMs, isEnough }, tellEnded);
  // Where it has stopped, too: a machine that is brought back goes up to that time (fold-codec.ts).
  const dueMs = ahead.run === undefined ? Number.POSITIVE_INFINITY : fold.plan.kind.dueMs(ahead.run);
  if (dueMs <= ahead.throughMs) end(ahead, dueMs, dueMs, tellEnded);
  return ahead.throughMs >= toMs;
}

/** Says a window that is not final, unless it is what was said of it last. @param open whether it has not ended */
function tell(where: Where, window: Ended, open: boolean): void {
  const { on, fold } = where;
  const { startMs, nth, endedMs } = window;
  const earlier = takeTold(fold, window);
  const part = partNow(where, window, earlier);
  const summary = say(where, window, { part, revision: 0, final: false, open });
  // That it has ended is news.
  const digest = hashText(`${canonicalJson(summary)}${open ? " open" : ""}`);
  const changed = earlier === undefined || earlier.digest !== digest;
  const revision = (earlier?.revision ?? -1) + (changed ? 1 : 0);
  if (changed) on.summaries.push({ ...summary, revision });
  addTold(fold.told, { startMs, nth, part, endedMs, revision, digest, again: false });
}

/** What was taken back earlier and is there after all. */
function takeTold(fold: Fold, window: Ended): Told | undefined {
  const told = findTold(fold.told, window);
  if (told !== undefined) fold.told.splice(placeIn(fold.told, window), 1);
  return told;
}

/** Of a window that was said before the one that it had then: meanwhile those of others may count for it, too. */
function partNow({ device, fold }: Where, { startMs }: Ended, told: Told | undefined): number {
  return told?.part ?? partOf(device, fold.plan.definition.name, startMs);
}

/** Takes back a window that there is not, as it turns out. */
function retract(where: Where, told: Told, final: boolean): Told {
  const { startMs, nth, part, endedMs } = told;
  const revision = told.revision + 1;
  const cells = newCells(where.on.plan.cellCount);
  const window = { startMs, nth, endMs: endedMs, endedMs, key: undefined, cells };
  where.on.summaries.push(say(where, window, { part, revision, final, retracted: true }));
  return { ...told, revision, digest: undefined, again: false };
}

interface Kind {
  readonly part: number;
  readonly revision: number;
  readonly final: boolean;
  readonly retracted?: boolean;
  /** See `WindowBounds.open`. */
  readonly open?: boolean;
}

function say({ on, device, fold, reconfigured }: Where, ended: Ended, kind: Kind): Summary {
  const { startMs, endMs, cells, nth } = ended;
  const { plan } = fold;
  const window = describe(fold, ended);
  // Spelled out: a spread takes longer than all the rest.
  const { part, revision, final, retracted, open } = kind;
  return summarise(on, device, {
    plan,
    window,
    startMs,
    endMs,
    part,
    nth,
    revision,
    final,
    open,
    retracted,
    reconfigured,
    cells,
  });
}

function describe({ plan }: Fold, { startMs, endMs, key }: Ended): SummaryWindow {
  const { name, kind } = plan.definition;
  const window = { name, kind: kind.type, start: formatInstant(startMs), end: formatInstant(endMs) };
  if (kind.type !== "state" || key === undefined) return window;
  return { ...window, state: typeof key === "number" ? (kind.names?.[key] ?? key) : key };
}
