import type { Engine } from "../engine/engine.js";
import { heldBytesOf } from "../engine/held.js";
import type { ReadingGroup, TickPart } from "../model/block.js";
import { UNKNOWN_DEVICE } from "../model/device-name.js";
import { LIMITS } from "../model/limits.js";
import { REASON_CODE } from "../model/reasons.js";

/**
 * Bounds what may wait for the clock to be set: what finds no room any more is booked as `clockUnset` instead. This is
 * decided where blocks are made, because a replay must not decide anew: it meets devices at different positions.
 */
export function withinBounds(
  groups: readonly ReadingGroup[],
  engine: Pick<Engine, "present" | "heldBytes">,
): ReadingGroup[] {
  let roomBytes = LIMITS.heldBytesMax - engine.heldBytes;
  return groups.map((group) => {
    if (group.device === UNKNOWN_DEVICE || !group.times.some(Number.isNaN)) return group;
    const held = engine.present(group.profile, group.device)?.held.length ?? 0;
    let room = LIMITS.heldReadingsPerDeviceMax - held;
    const stays = group.times.map((timeMs, i) => {
      if (!Number.isNaN(timeMs)) return true;
      const bytes = heldBytesOf(group.values[i]!, group.keys?.[i]);
      if (room <= 0 || bytes > roomBytes) return false;
      room--;
      roomBytes -= bytes;
      return true;
    });
    return stays.includes(false) ? without(group, stays) : group;
  });
}

/**
 * In how many blocks the readings that waited get their time, each for a part of the devices, so that none causes too many
 * summaries; none where it may be the block that comes next.
 */
export function placingParts({ heldReadings }: Pick<Engine, "heldReadings">): readonly TickPart[] {
  let parts = 1;
  while (heldReadings > parts * LIMITS.blockSummariesMax) parts *= 2;
  return parts === 1 ? [] : Array.from({ length: parts }, (_, part) => ({ part, parts }));
}

/** What does not stay is rejected. */
function without(group: ReadingGroup, stays: readonly boolean[]): ReadingGroup {
  const staying = <T>(column: readonly T[]): T[] => column.filter((_, i) => stays[i]);
  const code = REASON_CODE.clockUnset;
  const rejected = [...group.rejected];
  rejected[code] = (rejected[code] ?? 0) + stays.filter((stay) => !stay).length;
  return {
    ...group,
    arrivals: staying(group.arrivals),
    times: staying(group.times),
    values: staying(group.values),
    keys: group.keys === undefined ? undefined : staying(group.keys),
    deliveries: staying(group.deliveries),
    rejected,
  };
}
