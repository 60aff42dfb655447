import type { Block, BootClock, ReadingGroup } from "../model/block.js";
import { meaningOf } from "../model/profile.js";
import { type FieldValue, MISSING } from "../model/reading.js";
import type { Plan } from "./plan.js";

/**
 * Readings that wait for the clock to be set.
 *
 * A gateway without a clock battery comes up in 1970, and goes on until the network has told it the time. A reading
 * that has no event time of its own must not go into a window of 1970; but it is taken in durably and acknowledged
 * like any other. So it is held, part of its device's state, with the time that the machine had been up when it came,
 * and the boot of the machine in which that was. The first block by a clock that is set says where the wall clock
 * stands against the machine's own; with that every reading that waited gets the time at which it came, and goes its
 * normal way, in the order of arrival, before everything else in the block. Where many waited, there are several such
 * blocks, each for a part of the devices. Block and journal carry both clocks, so a
 * replay does the same.
 *
 * - Processes of one boot share the machine's own clock: a crash or restart of the agent costs no exactness.
 * - A boot that ended before its clock was set is placed as late as it can have been: its last reading of this device
 *   at the moment in which the next boot began. The machine was off in between for nobody knows how long.
 * - While they wait, readings are neither accepted nor rejected, and move no watermark. To its open windows the device
 *   is silent, so `idleTimeout` closes them; readings that waited are never late by that, because less of processing
 *   time goes by than of time. `maxPast` and `maxFuture` mean nothing without a clock and are not applied.
 * - Packets that come again are known at once, duplicate keys when a reading gets its time, since they live by it.
 * - How many may wait is bounded where blocks are made (`heldReadingsPerDeviceMax`, `heldBytesMax`), so that the
 *   decision is in the journal: what finds no room is booked as `clockUnset`.
 */
export interface HeldReading {
  readonly boot: number;
  /** What the machine's own clock showed when it came. */
  readonly uptimeMs: number;
  readonly values: readonly FieldValue[];
  readonly key: string | undefined;
}

/** The part of a device that this is about. */
export interface Holder {
  held: HeldReading[];
  heldBytes: number;
}

/** The clock by which readings without an event time are held in this block; undefined when they are not. */
export function holdingClock({ clockTrusted, bootClock }: Block): BootClock | undefined {
  return clockTrusted ? undefined : bootClock;
}

/** The clock by which readings that waited get their time in this block; undefined when they do not. */
export function settingClock({ clockTrusted, bootClock }: Block): BootClock | undefined {
  return clockTrusted ? bootClock : undefined;
}

export function heldReading({ boot, offsetMs }: BootClock, group: ReadingGroup, index: number): HeldReading {
  return {
    boot,
    uptimeMs: group.arrivals[index]! - offsetMs,
    values: group.values[index]!,
    key: group.keys?.[index],
  };
}

/** Lets a reading wait, behind those that do already. */
export function hold(on: Holder, reading: HeldReading): void {
  on.held.push(reading);
  on.heldBytes += heldBytesOf(reading.values, reading.key);
}

/** Takes out what waits. */
export function release(on: Holder): readonly HeldReading[] {
  const { held } = on;
  on.held = [];
  on.heldBytes = 0;
  return held;
}

/**
 * Those whose readings get their time, one after the other: in the same order after a restart, which brings devices back
 * in another. What becomes of the windows of a group depends on it where the time of several begins anew.
 */
export function inOrder<T extends { readonly profileId: string; readonly name: string }>(
  waiting: Iterable<T>,
): T[] {
  const before = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...waiting].sort((a, b) => before(a.profileId, b.profileId) || before(a.name, b.name));
}

/** What was held, as a group of readings that arrive now, at the times at which they came. */
export function placed(
  held: readonly HeldReading[],
  clock: BootClock,
  of: Pick<ReadingGroup, "profile" | "device">,
): ReadingGroup {
  const arrivals = new Array<number>(held.length);
  let { boot, offsetMs } = clock;
  for (let i = held.length - 1; i >= 0; i--) {
    const reading = held[i]!;
    if (reading.boot !== boot) {
      boot = reading.boot;
      offsetMs -= reading.uptimeMs;
    }
    arrivals[i] = Math.round(reading.uptimeMs + offsetMs);
  }
  return {
    profile: of.profile,
    device: of.device,
    arrivals,
    times: held.map(() => Number.NaN),
    values: held.map(({ values }) => [...values]),
    keys: held.map(({ key }) => key ?? ""),
    // What came again was turned away when it came.
    deliveries: held.map(() => 0),
    rejected: [],
  };
}

/** Object, array and its entry in the device's list. */
const READING_BYTES = 160;
const VALUE_BYTES = 16;
const CHARACTER_BYTES = 2;

/** About what a held reading takes in memory. */
export function heldBytesOf(values: readonly FieldValue[], key: string | undefined): number {
  let characters = key?.length ?? 0;
  for (const value of values) if (typeof value === "string") characters += value.length;
  return READING_BYTES + VALUE_BYTES * values.length + CHARACTER_BYTES * characters;
}

/** Takes what waits to another definition: the values of fields that both have and that mean the same. */
export function translateHeld(on: Holder, from: Plan, to: Plan): void {
  const before = from.profile.fields.map(meaningOf);
  const places = to.profile.fields.map((field) => before.indexOf(meaningOf(field)));
  for (const reading of release(on)) {
    const values = places.map((place) => (place < 0 ? MISSING : reading.values[place]!));
    hold(on, { ...reading, values });
  }
}
