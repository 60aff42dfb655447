import { CorruptRecord } from "../model/bytes.js";
import { type Counted, counted, countsOf, type DeviceCounts, Tally, type TotalCounts } from "./counts.js";
import type { ProfileState } from "./profile-state.js";
import type { Residency } from "./residency.js";
import { decodeDeviceHeader } from "./snapshot.js";

/**
 * The counts of all devices, also of those that are in the store only.
 * @param awayMax of these; the others are left out, as is one whose record is damaged, until something needs it
 */
export function countsOfAll(
  states: Iterable<ProfileState>,
  residency: Residency,
  awayMax: number,
): DeviceCounts[] {
  const counts: DeviceCounts[] = [];
  let left = awayMax;
  for (const state of states) {
    for (const device of state.devices.values()) counts.push(countsOf(counted(device)));
    // One after the other: a record may be large.
    for (const row of state.away.rows()) {
      if (left-- <= 0) break;
      const of = stored(residency, state, row);
      if (of !== undefined) counts.push(countsOf(of));
    }
  }
  return counts;
}

function stored(residency: Residency, state: ProfileState, row: number): Counted | undefined {
  try {
    return decodeDeviceHeader(residency.recordOf(state, row));
  } catch (error) {
    if (!(error instanceof CorruptRecord)) throw error;
    return undefined;
  }
}

/** The same, added up. */
export function totalsOfAll(states: Iterable<ProfileState>, residency: Residency): TotalCounts {
  const tally = new Tally();
  tally.add(residency.away);
  for (const { devices } of states) {
    for (const device of devices.values()) tally.add(counted(device));
  }
  return tally.total();
}
