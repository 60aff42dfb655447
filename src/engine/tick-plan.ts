import type { ProfileState } from "./profile-state.js";

/**
 * How a tick goes where many devices that are in the store only have fallen silent: while a block is applied, what it has
 * touched cannot leave memory. So it first goes through the time by which about as many as may be of them have
 * something to do; and where many have at the same millisecond, as those of one window have, it goes in parts, by a
 * hash of their names. Time and part are in the journal, so a replay, which meets other devices in memory, does the same.
 */
export interface TickPlan {
  readonly throughMs: number;
  /** Blocks with a tick at that time; a power of two. */
  readonly parts: number;
}

/** @param loadsMax devices that one block may bring back, about */
export function planTick(states: Iterable<ProfileState>, processingMs: number, loadsMax: number): TickPlan {
  const times = wakeTimes(states, processingMs);
  if (times.length <= loadsMax) return { throughMs: processingMs, parts: 1 };
  const throughMs = times[loadsMax - 1]!;
  let due = loadsMax;
  while (due < times.length && times[due]! <= throughMs) due++;
  let parts = 1;
  while (due > parts * loadsMax) parts *= 2;
  return { throughMs, parts };
}

/** Of those that are in the store only, in order. */
function wakeTimes(states: Iterable<ProfileState>, processingMs: number): Float64Array {
  const times: number[] = [];
  for (const { away } of states) for (const row of away.due(processingMs)) times.push(away.wakeMsOf(row));
  return Float64Array.from(times).sort();
}
