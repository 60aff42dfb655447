import { addCommon } from "../aggregate/common.js";
import type { Block, ReadingGroup } from "../model/block.js";
import { isMissing } from "../model/reading.js";
import { REASON_CODE, type RejectReason } from "../model/reasons.js";
import type { Summary } from "../model/summary.js";
import { assign, type Lateness, lateness } from "./assign.js";
import type { Cleaner } from "./clean.js";
import { type Device, isBehind, noteWatermark, type OpenWindow } from "./device.js";
import { earlyStep, fireEarly, fireFoldsEarly } from "./early.js";
import { advance, advanceFoldsOf, boundOf, catchUp, fireChanged } from "./firing.js";
import { disturb, passLate } from "./fold-firing.js";
import { heldReading, hold, holdingClock } from "./held.js";
import { DeliveryMemory, KeyMemory } from "./memory.js";
import { newPassing, type Passing } from "./passing.js";
import { ACCEPTED_CELL, type Plan, rejectedCell } from "./plan.js";
import { timeOfLate } from "./set-back.js";
import type { Sighting, Slice } from "./slice.js";
import type { Firing } from "./summarise.js";
import { hashInto } from "./value-hash.js";

/**
 * The way of one reading through the engine: time, identity of its packet, duplicate key, lateness, cleaning,
 * duplicate by time, slice, watermark. It ends as accepted or under exactly one reason, at once or, where it has to
 * wait for the clock to be set (held.ts), when it has waited.
 */
export interface Ingest {
  readonly plan: Plan;
  readonly cleaner: Cleaner;
  readonly block: Block;
  readonly firing: Firing;
  /** Where summaries go. */
  readonly summaries: readonly Summary[];
  /** Once there are so many summaries, or a device is behind, readings wait for the next block. */
  readonly summariesMax: number;
}

/**
 * Takes in the readings of one device within a block, and fires what that has changed.
 * @returns how many were taken in; the others have to come in a later block
 */
export function ingestGroup(on: Ingest, device: Device, group: ReadingGroup): number {
  const { plan, firing } = on;
  for (let code = 0; code < group.rejected.length; code++) {
    const count = group.rejected[code];
    if (count !== undefined && count > 0) device.rejected[code] = (device.rejected[code] ?? 0) + count;
  }
  const count = group.arrivals.length;
  const clock = holdingClock(on.block);
  let waiting = 0;
  let taken = 0;
  while (taken < count && (taken === 0 || !isFull(on, device))) {
    const i = taken++;
    const hasOwnTime = !Number.isNaN(group.times[i]!);
    if (!hasOwnTime && cameAgain(on, device, group.deliveries[i]!)) {
      reject(device, "duplicate");
      continue;
    }
    if (!hasOwnTime && clock !== undefined) {
      hold(device, heldReading(clock, group, i));
      waiting++;
      continue;
    }
    const reason = ingest(on, device, group, i);
    if (reason === undefined) device.accepted++;
    else reject(device, reason);
  }
  if (waiting < taken) device.lastSeenMs = on.block.processingMs;
  fireChanged(firing, device);
  const early = earlyStep(firing, device);
  if (early !== undefined) fireEarly(firing, device, early);
  // They come behind the windows with bounds.
  if (plan.folds.length > 0 && !isBehind(device)) advanceFoldsOf(firing, device);
  if (early !== undefined && !isBehind(device)) fireFoldsEarly(firing, device, early);
  return taken;
}

/** Whether no more readings of a device should be taken in in this block. */
export function isFull(
  { block, summaries, summariesMax }: Pick<Ingest, "block" | "summaries" | "summariesMax">,
  device: Device,
): boolean {
  if (summariesMax === Number.POSITIVE_INFINITY) return false;
  return (
    (isBehind(device) && block.behindThrough !== "") ||
    summaries.length + device.changed.length >= summariesMax
  );
}

export function reject(device: Device, reason: RejectReason): void {
  const code = REASON_CODE[reason];
  device.rejected[code] = (device.rejected[code] ?? 0) + 1;
}

/** Rejects a whole group for one reason; what was rejected before keeps its own. */
export function rejectGroup(
  device: Device,
  { arrivals, rejected }: ReadingGroup,
  reason: RejectReason,
): void {
  const code = REASON_CODE[reason];
  device.rejected[code] = (device.rejected[code] ?? 0) + arrivals.length;
  for (let other = 0; other < rejected.length; other++) {
    const count = rejected[other] ?? 0;
    if (count > 0) device.rejected[other] = (device.rejected[other] ?? 0) + count;
  }
}

const fates: number[] = [];

/** The reading that is on its way. */
const passing: Passing = newPassing();

function ingest(on: Ingest, device: Device, group: ReadingGroup, index: number): RejectReason | undefined {
  const { plan, cleaner } = on;
  const impossible = timed(on, group, index);
  if (impossible !== undefined) return impossible;
  if (keyCameBefore(plan, device, group, index)) return "duplicate";
  if (isBehind(device)) catchUp(on.firing, device);
  noteWatermark(device, plan, passing);
  // Mostly it is ahead of the watermark, and then none of that has to be asked.
  const late = isBehindWatermark() ? latenessOf(on, device, group, index) : "none";
  if (late === "some" && device.folds.length > 0) passLate(on.firing, device);
  const slice = late === "all" ? undefined : assign(device, plan, passing);
  if (slice === undefined) return "late";
  if (isBehindWatermark()) plan.running?.forget(device);
  // Setting the length is a call into the runtime even when there is nothing to do.
  if (fates.length > 0) fates.length = 0;
  const values = cleaner.copy(group.values[index]!);
  passing.values = values;
  let reason = cleaner.clean(values, fates);
  if (reason === undefined) {
    if (isNew(plan, device, slice)) {
      gather(plan, slice);
      if (slice !== device.slices[device.slices.length - 1]) plan.slices.measure(slice);
    } else reason = "duplicate";
  }
  const { numbers, base } = slice.cells;
  numbers[base + (reason === undefined ? ACCEPTED_CELL : rejectedCell(REASON_CODE[reason]))]!++;
  if (reason === undefined) {
    on.firing.groups?.accepted(device, passing.timeMs);
    if (late === "some") device.partlyLate++;
    if (isBehindWatermark()) disturbed(device, plan, slice);
  }
  if (passing.timeMs > device.maxTimeMs) {
    device.maxTimeMs = passing.timeMs;
    noteWatermark(device, plan, passing);
    if (passing.watermarkMs >= device.nextDueMs) advance(on.firing, device);
  }
  return reason;
}

/** Notes the reading's time. @returns why it cannot be */
function timed({ plan, block }: Ingest, group: ReadingGroup, index: number): RejectReason | undefined {
  const arrivalMs = group.arrivals[index]!;
  const timeMs = group.times[index]!;
  passing.hasOwnTime = !Number.isNaN(timeMs);
  passing.timeMs = passing.hasOwnTime ? timeMs : arrivalMs;
  if (!passing.hasOwnTime || !block.clockTrusted) return undefined;
  const { maxFutureMs, maxPastMs } = plan.profile.time;
  if (timeMs - arrivalMs > maxFutureMs) return "future";
  return arrivalMs - timeMs > maxPastMs ? "past" : undefined;
}

function isBehindWatermark(): boolean {
  return passing.timeMs < passing.watermarkMs;
}

/** How late it is, once it has got another time where it must (set-back.ts). */
function latenessOf(on: Ingest, device: Device, group: ReadingGroup, index: number): Lateness {
  const { plan, block, firing } = on;
  if (lateness(plan, passing) === "none") return "none";
  const { timeMs, hasOwnTime } = passing;
  const { clockTrusted } = block;
  const arrivalMs = group.arrivals[index]!;
  const isRepeated = group.deliveries[index]! < 0;
  passing.timeMs = timeOfLate(firing, device, { timeMs, arrivalMs, hasOwnTime, isRepeated, clockTrusted });
  noteWatermark(device, plan, passing);
  return isBehindWatermark() ? lateness(plan, passing) : "none";
}

/** What has been worked out from readings of later times does not hold any more. */
function disturbed(device: Device, plan: Plan, slice: Slice): void {
  noteChange(device, slice);
  if (plan.ordered.length > 0) noteBound(device, plan);
  disturb(device, passing.timeMs);
}

/** Whether this is a packet that was here before. */
function cameAgain({ block }: Ingest, device: Device, identity: number): boolean {
  if (identity === 0) return false;
  device.deliveries ??= new DeliveryMemory();
  return device.deliveries.seen(identity, block.processingMs);
}

function keyCameBefore(plan: Plan, device: Device, group: ReadingGroup, index: number): boolean {
  const rule = plan.profile.duplicates;
  if (rule.by !== "key" || group.keys === undefined) return false;
  device.keys ??= new KeyMemory();
  return device.keys.seen(group.keys[index]!, group.arrivals[index]!, rule.ttlMs);
}

/**
 * Whether the cleaned reading is not in its slice yet; if so, it is from now on. An arrival time tells nothing of that:
 * two equal readings in one millisecond are two readings, and a repeated packet was known by its identity.
 */
function isNew(plan: Plan, device: Device, slice: Slice): boolean {
  const { duplicates } = plan.profile;
  const { slices } = plan;
  const byTime = duplicates.by === "time" && passing.hasOwnTime;
  if (!byTime && slices.kept.length === 0) return true;
  hashInto(passing);
  if (device.retired.length === 0 && slices.append(slice, passing)) return true;
  if (byTime) {
    const sighting = sight(plan, device, slice);
    if (sighting === "same" || (sighting === "conflict" && duplicates.conflicting === "first")) return false;
    if (sighting === "conflict") device.conflicting++;
  }
  slices.hold(slice, passing);
  return true;
}

function sight(plan: Plan, device: Device, slice: Slice): Sighting {
  let sighting = plan.slices.sight(slice, passing);
  for (const old of device.retired) {
    if (sighting !== "same" && passing.timeMs >= old.startMs && passing.timeMs < old.endMs) {
      const earlier = plan.slices.sight(old, passing);
      if (earlier !== "new") sighting = earlier;
    }
  }
  return sighting;
}

/** Adds the values to what the slice has gathered. */
function gather(plan: Plan, slice: Slice): void {
  const { cells } = slice;
  const { values } = passing;
  for (let i = 0; i < values.length; i++) {
    if (isMissing(values[i]!)) continue;
    const { common, single } = plan.fields[i]!;
    if (common !== undefined) addCommon(cells, common, passing, i);
    for (let j = 0; j < single.length; j++) {
      const slot = single[j]!;
      slot.accumulator.add(cells, slot.at, passing, i);
    }
  }
  plan.slices.backlogs.put(slice, values);
  for (let i = 0; i < fates.length; i++) {
    const fate = fates[i]!;
    cells.numbers[cells.base + plan.fields[fate >> 3]!.fatesAt + (fate & 7)]!++;
  }
}

/** Windows of this slice that have fired already will have to fire again. */
function noteChange(device: Device, slice: Slice): void {
  const { watermarkMs } = passing;
  // A window around the slice ends no earlier than the slice does.
  if (slice.endMs > watermarkMs) return;
  for (const windows of device.open) {
    let first = windows.length;
    while (first > 0 && windows[first - 1]!.endMs > slice.startMs) first--;
    // The earliest first, as they fire on time.
    for (let i = first; i < windows.length && windows[i]!.startMs < slice.endMs; i++) {
      const window = windows[i]!;
      if (!window.queued && window.endMs <= watermarkMs) queue(device, window);
    }
  }
}

/** Windows that begin with this reading's value and have fired already will have to fire again. */
function noteBound(device: Device, plan: Plan): void {
  const { timeMs, watermarkMs, values } = passing;
  const isBound = (window: OpenWindow): boolean =>
    plan.ordered.some(({ field }, index) => {
      if (isMissing(values[field]!)) return false;
      const bound = boundOf(plan, device, window, index);
      return bound?.timeMs === timeMs && bound.value === values[field];
    });
  for (const windows of device.open) {
    let first = windows.length;
    while (first > 0 && windows[first - 1]!.startMs > timeMs) first--;
    for (let i = first; i < windows.length && windows[i]!.endMs <= watermarkMs; i++) {
      const window = windows[i]!;
      // Nor do those that begin later.
      if (!isBound(window)) break;
      if (!window.queued) queue(device, window);
    }
  }
}

function queue(device: Device, window: OpenWindow): void {
  window.queued = true;
  device.changed.push(window);
}
