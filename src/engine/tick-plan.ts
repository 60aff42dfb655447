import { LIMITS } from "../model/limits.js";
import { firingsAt } from "./firing.js";
import { foldDues, foldFiringsMax } from "./fold-firing.js";
import type { ProfileState } from "./profile-state.js";
import { idleFloor } from "./silence.js";

/**
 * How a tick goes where many devices have fallen silent.
 *
 * While a block is applied, what it has touched cannot leave memory. So it first goes through the time by which about as
 * many as may be of those that are in the store only have something to do. And where many have at the same millisecond, as
 * those of one window have, or where those in memory would say more than one block is to, it goes in parts, by a hash of
 * their names. Time and part are in the journal, so a replay, which meets other devices in memory, does the same.
 */
export interface TickPlan {
  readonly throughMs: number;
  /** Blocks with a tick at that time; a power of two. */
  readonly parts: number;
}

/** @param loadsMax devices that one block may bring back, about */
export function planTick(states: readonly ProfileState[], processingMs: number, loadsMax: number): TickPlan {
  const times = wakeTimes(states, processingMs);
  const throughMs = times.length <= loadsMax ? processingMs : times[loadsMax - 1]!;
  let due = Math.min(loadsMax, times.length);
  while (due < times.length && times[due]! <= throughMs) due++;
  const firings = firingsOf(states, throughMs);
  let parts = 1;
  while (due > parts * loadsMax || firings > parts * LIMITS.blockSummariesMax) parts *= 2;
  return { throughMs, parts };
}

/** What those in memory would say, or more. */
function firingsOf(states: readonly ProfileState[], processingMs: number): number {
  let firings = 0;
  for (const { devices } of states) {
    for (const device of devices.values()) {
      const floorMs = idleFloor(device, processingMs);
      if (floorMs === undefined) continue;
      const folds = foldDues(device).some((dueMs) => dueMs <= floorMs) ? foldFiringsMax(device) : 0;
      firings += Math.min(LIMITS.deviceShareMax, firingsAt(device, floorMs) + folds);
    }
  }
  return firings;
}

/** Of those that are in the store only, in order. */
function wakeTimes(states: readonly ProfileState[], processingMs: number): Float64Array {
  const times: number[] = [];
  for (const { away } of states) for (const row of away.due(processingMs)) times.push(away.wakeMsOf(row));
  return Float64Array.from(times).sort();
}
