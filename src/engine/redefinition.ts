import { LIMITS } from "../model/limits.js";

/**
 * What keeps summaries of a window apart that must not replace each other at the receiver: after its definition has
 * changed, or the device's time has begun anew, what comes of a window that may have been emitted before gets an id of
 * its own, `/2` and so on (`OpenWindow.part`); after a state was lost, `/lost`, `/lost/2`, `/lost2` and so on.
 *
 * A redefinition is never forgotten, because a clock that is set back, or a definition that comes back, can bring up any
 * window again. Where there are too many of one name, the two that reach least far become one that reaches as far as the
 * further of them; where there are too many names, those of the ones that changed longest ago become one of any name. Some
 * windows then get a higher part than they need, and none a part that was there before.
 */
export interface Redefinition {
  /** Or `ANY_NAME`. */
  readonly name: string;
  /** Windows of this name that begin by this time may have been emitted. */
  readonly throughMs: number;
  /** How often that happened. */
  readonly times: number;
}

/** No window is called so. */
const ANY_NAME = "*";

/** Which part of the window of this name and start is next to be emitted: 1 unless it was redefined. */
export function partAfter(redefined: readonly Redefinition[], name: string, startMs: number): number {
  let part = 1;
  for (const earlier of redefined) {
    if (startMs > earlier.throughMs) continue;
    if (earlier.name === name || earlier.name === ANY_NAME) part += earlier.times;
  }
  return part;
}

/** A state that was lost. Windows that begin by then may have been emitted from it. */
export interface LostState {
  readonly throughMs: number;
  /** Later times, by device. */
  readonly ahead: ReadonlyMap<string, number>;
}

/** Times through which windows of a device may have been emitted from states that were lost. */
export function lostThrough(losses: readonly LostState[] | undefined, device: string): readonly number[] {
  return (losses ?? []).map(({ throughMs, ahead }) => Math.max(throughMs, ahead.get(device) ?? throughMs));
}

/**
 * What a lost state adds to a part. The redefinitions that it knew of are lost with it, so parts after it must not be
 * counted on from 1.
 */
const LOSS = 2 ** 20;

/** What stands behind a window in its id. @param part see `OpenWindow.part` */
export function partText(part: number): string {
  if (part === 1) return "";
  const times = Math.floor((part - 1) / LOSS);
  const number = part - times * LOSS;
  const lost = times === 0 ? "" : times === 1 ? "/lost" : `/lost${times}`;
  return number === 1 ? lost : `${lost}/${number}`;
}

/** Which part of a window comes next, see `OpenWindow.part`. */
export function partOf(
  device: { readonly lostThroughMs: readonly number[]; readonly redefined: readonly Redefinition[] },
  name: string,
  startMs: number,
): number {
  const lost = device.lostThroughMs.filter((throughMs) => startMs <= throughMs).length;
  return LOSS * lost + partAfter(device.redefined, name, startMs);
}

/** @returns `redefined` and that it happened once more to the windows of these names */
export function redefine(
  redefined: readonly Redefinition[],
  names: readonly string[],
  throughMs: number,
): readonly Redefinition[] {
  if (throughMs === Number.NEGATIVE_INFINITY || names.length === 0) return redefined;
  const now = new Set(names);
  const added = [...now].map((name) => ({ name, throughMs, times: 1 }));
  const byName = new Map<string, readonly Redefinition[]>();
  // What happens now is remembered longest.
  for (const each of [...redefined.filter(({ name }) => !now.has(name)), ...redefined, ...added]) {
    if (byName.get(each.name)?.includes(each)) continue;
    byName.set(each.name, [...(byName.get(each.name) ?? []), each]);
  }
  const ofAny = byName.get(ANY_NAME) ?? [];
  byName.delete(ANY_NAME);
  const all = [...byName.values()];
  const tooMany = Math.max(0, all.length - LIMITS.redefinedWindowsMax);
  return [...bounded([...ofAny, ...asOfAny(all.slice(0, tooMany))]), ...all.slice(tooMany).flatMap(bounded)];
}

/** One of any name, in whose place those of several names can go. */
function asOfAny(names: readonly (readonly Redefinition[])[]): readonly Redefinition[] {
  if (names.length === 0) return [];
  const throughMs = Math.max(...names.flat().map((each) => each.throughMs));
  const times = Math.max(...names.map((of) => of.reduce((sum, each) => sum + each.times, 0)));
  return [{ name: ANY_NAME, throughMs, times }];
}

function bounded(of: readonly Redefinition[]): readonly Redefinition[] {
  const sorted = of.toSorted((a, b) => a.throughMs - b.throughMs);
  while (sorted.length > LIMITS.redefinitionsPerWindowMax) {
    const [least, next] = sorted.splice(0, 2) as [Redefinition, Redefinition];
    sorted.unshift({ ...next, times: least.times + next.times });
  }
  return sorted;
}
