import { counted, countsOf, type DeviceCounts, Tally, type TotalCounts } from "./counts.js";
import type { ProfileState } from "./profile-state.js";
import type { Residency } from "./residency.js";
import { decodeDeviceHeader } from "./snapshot.js";

/** The counts of all devices, also of those that are in the store only. @param awayMax of these, of each profile */
export function countsOfAll(
  states: Iterable<ProfileState>,
  residency: Residency,
  awayMax: number,
): DeviceCounts[] {
  return [...states].flatMap((state) => [
    ...[...state.devices.values()].map((device) => countsOf(counted(device))),
    ...[...residency.records(state, awayMax)].map((record) => countsOf(decodeDeviceHeader(record))),
  ]);
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
