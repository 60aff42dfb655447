import type { Cells } from "../aggregate/cells.js";
import type { SummaryField } from "../model/summary.js";
import { type Fold, newFold } from "./fold.js";
import type { HeldReading } from "./held.js";
import type { DeliveryMemory, KeyMemory } from "./memory.js";
import type { Bound } from "./ordered.js";
import type { Passing } from "./passing.js";
import type { BoundedPlan, Plan } from "./plan.js";
import type { Redefinition } from "./redefinition.js";
import { firstFrom, type Slice } from "./slice.js";

/** Everything the engine knows of one device. Devices do not influence each other. */
export interface Device {
  readonly profileId: string;
  readonly name: string;
  /** How its slices are laid out and cut: by its profile, and by the groups that it is in. */
  plan: Plan;
  /** Journal position up to which the stored state has seen every block; replay skips those. */
  replayedThrough: number;
  /** Readings accepted, and rejected by reason code, over the device's whole life. */
  accepted: number;
  readonly rejected: number[];
  /** Accepted readings that were too late for at least one of their windows. */
  partlyLate: number;
  /** Accepted readings that share their time with another one of other values. */
  conflicting: number;
  /** Highest event time seen, -Infinity before the first. */
  maxTimeMs: number;
  /** What silence alone has moved the watermark to. */
  idleFloorMs: number;
  /** `Block.processingMs` of the block with the last reading. */
  lastSeenMs: number;
  /** Watermark at which something has to fire or to be let go; Infinity when nothing waits, `BEHIND` when it is behind. */
  nextDueMs: number;
  /** Watermark of the last `advance`: windows that ended by then have had their turn to fire. */
  advancedToMs: number;
  /** Slices by start, not overlapping. */
  readonly slices: Slice[];
  /** Slices of earlier epochs: merged by windows that went on, known to the filter for duplicates, never added to. */
  readonly retired: Slice[];
  /** By `Plan.ordered`, the last value in slices that were let go. */
  bounds: (Bound | undefined)[];
  /** How often the definition has changed or time has begun anew: what is cut and opened from then on is apart. */
  epoch: number;
  /** Windows that are not final, per definition, by start. */
  open: OpenWindow[][];
  /** Machines of the windows whose bounds follow from the readings, in the plan's order. */
  folds: Fold[];
  /** By definition, where holes begin that are to be filled; undefined before the first window. */
  series: (Series | undefined)[];
  /** Watermark of the last look for early firings. */
  earlyToMs: number;
  /** Windows that fired and have changed since; fire again at the end of the block. */
  readonly changed: OpenWindow[];
  keys: KeyMemory | undefined;
  deliveries: DeliveryMemory | undefined;
  /** Readings that wait for the clock to be set, in the order of their arrival. */
  held: HeldReading[];
  /** What they take in memory, about. */
  heldBytes: number;
  nextSliceId: number;
  /** Windows that may have fired under an earlier definition, so that what comes now needs ids of its own. */
  redefined: readonly Redefinition[];
  /** Windows that begin by one of these times may have been emitted from a state that was lost. */
  lostThroughMs: readonly number[];
  /** Ids of slices that have a stored record. */
  readonly stored: Set<number>;
  /** Of its stored record (`sealMark`); undefined when there is none. */
  mark: number | undefined;
  /** Whether there is more in it than in its stored record (dirty.ts). */
  dirty: boolean;
  /** Position of the block that last had to do with it. */
  usedAt: number;
  /** What it takes in memory, as of the last look (footprint.ts). */
  weight: number;
  /** Whether slices or windows have come or gone since. */
  reshaped: boolean;
}

/** `Device.nextDueMs` where there was more to fire, or to let go, than there was a share for (share.ts). */
export const BEHIND = Number.NEGATIVE_INFINITY;

export function isBehind({ nextDueMs }: Pick<Device, "nextDueMs">): boolean {
  return nextDueMs === BEHIND;
}

/** Where a definition's series stands that is to have no holes. */
export interface Series {
  /** Start of the window after the last one that was final, filled or not. */
  nextMs: number;
  /** Start of the first window of the hole that has been filled as far as that; undefined where none has. */
  holeMs?: number | undefined;
  /** What that one said, by field, filled or not, as far as a hole may be filled with it. */
  fields: Readonly<Record<string, SummaryField>>;
}

export interface OpenWindow {
  readonly plan: BoundedPlan;
  readonly startMs: number;
  readonly endMs: number;
  /** 1, or more for what comes of a window after its definition has changed, or after a state was lost: see `partText`. */
  readonly part: number;
  /** Revisions emitted so far, which is the number of the next one. */
  revision: number;
  /** How many of these were early: as long as all were, it has not fired on time. */
  early: number;
  /** Readings that the last early firing knew of. */
  saidReceived: number;
  /** In `Device.changed`. */
  queued: boolean;
  /** The device's when it was opened: it has nothing of slices of earlier ones. */
  readonly epoch: number;
  /** What slices that were let go had gathered; only a global window outlives its slices. */
  sealed: Cells | undefined;
}

export function newDevice(profileId: string, name: string, plan: Plan): Device {
  // What every reading looks at comes first, in as few lines of the processor's cache as may be.
  return {
    plan,
    replayedThrough: 0,
    accepted: 0,
    slices: [],
    maxTimeMs: Number.NEGATIVE_INFINITY,
    idleFloorMs: Number.NEGATIVE_INFINITY,
    nextDueMs: Number.POSITIVE_INFINITY,
    lastSeenMs: 0,
    usedAt: 0,
    dirty: false,
    reshaped: true,
    retired: [],
    changed: [],
    held: [],
    keys: undefined,
    deliveries: undefined,
    profileId,
    name,
    rejected: [],
    partlyLate: 0,
    conflicting: 0,
    advancedToMs: Number.NEGATIVE_INFINITY,
    bounds: [],
    epoch: 0,
    open: plan.windows.map(() => []),
    series: [],
    earlyToMs: Number.NEGATIVE_INFINITY,
    folds: plan.folds.map((fold) => newFold(fold, 0)),
    heldBytes: 0,
    nextSliceId: 1,
    redefined: [],
    lostThroughMs: [],
    stored: new Set(),
    mark: undefined,
    weight: 0,
  };
}

/** Everything with an event time below this has been seen, as far as the profile lets us know. */
export function watermark(device: Pick<Device, "maxTimeMs" | "idleFloorMs">, plan: Plan): number {
  return Math.max(device.maxTimeMs - plan.profile.time.outOfOrdernessMs, device.idleFloorMs);
}

/** Notes the watermark with a reading: as a result it would be a number on the heap, now and then. */
export function noteWatermark(
  { maxTimeMs, idleFloorMs }: Device,
  plan: Plan,
  reading: Pick<Passing, "watermarkMs">,
): void {
  reading.watermarkMs = Math.max(maxTimeMs - plan.profile.time.outOfOrdernessMs, idleFloorMs);
}

/** What a window is merged from, in the order of time; slices of earlier epochs first. */
export function slicesOf(device: Device, window: OpenWindow): Slice[] {
  const { startMs, endMs, epoch } = window;
  const of: Slice[] = [];
  for (const slice of device.retired) {
    if (slice.epoch >= epoch && slice.startMs >= startMs && slice.endMs <= endMs) of.push(slice);
  }
  const { slices } = device;
  for (let i = firstFrom(slices, startMs); i < slices.length && slices[i]!.startMs < endMs; i++) {
    of.push(slices[i]!);
  }
  return of;
}
