/**
 * Time zones: offsets, local times and local days of an IANA zone, from the runtime's own zone data.
 *
 * `Intl` takes microseconds per question, so answers are kept per block of six hours; a block that contains a
 * transition keeps its exact instant, found by bisection. Two transitions within six hours do not occur.
 *
 * A local day begins at the first instant whose local date is that day or later, and ends where the next one
 * begins. So days are a partition of time even where the clock is set back over midnight, are 23 or 25 hours long
 * where it changes, begin after a gap at midnight, and are empty where a zone leaps over a date (Apia, 2011-12-30).
 */

import { DAY_MS } from "./civil.js";

const BLOCK_MS = 6 * 3_600_000;
/** Remembered blocks of one zone: about 5 years. A new start is cheaper than an order of use. */
const BLOCKS_MAX = 8_192;
/** The range of `Intl`, less two days so that questions about neighbours stay inside. */
const INSTANT_MAX = 8.64e15 - 2 * DAY_MS;

/** The offset is `before` until `at`, then `after`; both are equal unless a transition lies in the block or at its start. */
interface OffsetBlock {
  readonly before: number;
  readonly after: number;
  readonly at: number;
}

/** So many days that belong together. */
export interface DayGroup {
  readonly days: number;
  /** First day of one of the groups, in days since 1970-01-01; default 0. */
  readonly offsetDays?: number | undefined;
}

const DAY: DayGroup = { days: 1 };

/** The first day of the group that a day is in. */
function firstOf({ days, offsetDays = 0 }: DayGroup, day: number): number {
  return Math.floor((day - offsetDays) / days) * days + offsetDays;
}

/** One zone with what is known of it so far. Get it from `zoneNamed`. */
export class Zone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat | undefined;
  readonly #blocks = new Map<number, OffsetBlock>();
  #blockIndex = Number.NaN;
  #block: OffsetBlock = { before: 0, after: 0, at: 0 };
  /** Local times from here up to `#wallTo` have one offset and no transition within a day. */
  #wallFrom = Number.NaN;
  #wallTo = Number.NaN;
  #wallOffset = 0;
  #dayFrom = Number.NaN;
  #dayTo = Number.NaN;
  #dayNumber = 0;

  /** @throws RangeError when the runtime does not know the zone */
  constructor(name: string) {
    this.name = name;
    // Most gateways; and loading the zone data takes longer than loading a profile.
    if (name === "UTC") return;
    const format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
    this.#format = format.resolvedOptions().timeZone === "UTC" ? undefined : format;
  }

  /** What to add to UTC to get local time, in milliseconds. */
  offset(utcMs: number): number {
    if (this.#format === undefined) return 0;
    const index = Math.floor(utcMs / BLOCK_MS);
    if (index !== this.#blockIndex) {
      this.#block = this.#blocks.get(index) ?? this.#load(index);
      this.#blockIndex = index;
    }
    return utcMs < this.#block.at ? this.#block.before : this.#block.after;
  }

  /**
   * The instant of a local time, given as if it were UTC. Of a time that occurs twice the first (daylight) one is
   * taken; a time in a gap is moved on by the gap, as clocks are.
   */
  toUtc(wallMs: number): number {
    if (this.#format === undefined) return wallMs;
    if (wallMs >= this.#wallFrom && wallMs < this.#wallTo) return wallMs - this.#wallOffset;
    const from = Math.floor(wallMs / BLOCK_MS) * BLOCK_MS;
    if (this.offset(from - DAY_MS) === this.offset(from + BLOCK_MS + DAY_MS)) {
      this.#wallFrom = from;
      this.#wallTo = from + BLOCK_MS;
      this.#wallOffset = this.offset(from);
      return wallMs - this.#wallOffset;
    }
    const { before, after, at } = this.#around(wallMs);
    const early = wallMs - before;
    const late = wallMs - after;
    return early < at || late < at ? early : late;
  }

  /** Start of the local day, or of the group of days, that contains the instant. */
  dayStart(utcMs: number, group: DayGroup = DAY): number {
    if (this.#format === undefined) return firstOf(group, Math.floor(utcMs / DAY_MS)) * DAY_MS;
    const day = this.#dayOf(utcMs);
    return group.days === 1 ? this.#dayFrom : this.#startOfDay(firstOf(group, day));
  }

  /** End of the local day, or of the group of days, that contains the instant. */
  dayEnd(utcMs: number, group: DayGroup = DAY): number {
    if (this.#format === undefined) {
      return (firstOf(group, Math.floor(utcMs / DAY_MS)) + group.days) * DAY_MS;
    }
    const day = this.#dayOf(utcMs);
    return group.days === 1 ? this.#dayTo : this.#startOfDay(firstOf(group, day) + group.days);
  }

  /** Number of the local day that contains the instant; leaves its bounds in `#dayFrom` and `#dayTo`. */
  #dayOf(utcMs: number): number {
    if (utcMs >= this.#dayFrom && utcMs < this.#dayTo) return this.#dayNumber;
    let day = Math.floor((utcMs + this.offset(utcMs)) / DAY_MS);
    let to = this.#startOfDay(day + 1);
    // After a clock was set back over midnight the date is yesterday's again, but the new day has begun.
    while (to <= utcMs) {
      day += 1;
      to = this.#startOfDay(day + 1);
    }
    this.#dayFrom = this.#startOfDay(day);
    this.#dayTo = to;
    this.#dayNumber = day;
    return day;
  }

  #startOfDay(day: number): number {
    const wallMs = day * DAY_MS;
    const { before, after, at } = this.#around(wallMs);
    const early = wallMs - before;
    if (early < at) return early;
    return Math.max(at, wallMs - after);
  }

  /** The transition within a day of a local time; `at` is infinite where there is none. */
  #around(wallMs: number): OffsetBlock {
    for (let ms = wallMs - DAY_MS; ms <= wallMs + DAY_MS; ms += BLOCK_MS) {
      this.offset(ms);
      if (this.#block.before !== this.#block.after) return this.#block;
    }
    const offset = this.offset(wallMs);
    return { before: offset, after: offset, at: Number.POSITIVE_INFINITY };
  }

  #load(index: number): OffsetBlock {
    const start = index * BLOCK_MS;
    const before = this.#ask(start - 1);
    const after = this.#ask(start + BLOCK_MS - 1);
    const block = { before, after, at: before === after ? start : this.#bisect(start, before) };
    if (this.#blocks.size >= BLOCKS_MAX) this.#blocks.clear();
    this.#blocks.set(index, block);
    return block;
  }

  /** The first millisecond of the block that does not have the offset of the one before the block. */
  #bisect(start: number, before: number): number {
    let low = start - 1;
    let high = start + BLOCK_MS - 1;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.#ask(middle) === before) low = middle;
      else high = middle;
    }
    return high;
  }

  #ask(utcMs: number): number {
    const instant = Math.min(Math.max(utcMs, -INSTANT_MAX), INSTANT_MAX);
    const text = this.#format!.format(instant);
    const match = /GMT([+-])(\d+):(\d+)(?::(\d+))?/.exec(text);
    if (match === null) return 0;
    const seconds = Number(match[2]) * 3600 + Number(match[3]) * 60 + Number(match[4] ?? 0);
    return (match[1] === "-" ? -1000 : 1000) * seconds;
  }
}

const ZONES = new Map<string, Zone>();

/**
 * The zone of a name; one object per name, so that what is known of it is shared.
 * @throws RangeError when the runtime does not know the zone
 */
export function zoneNamed(name: string): Zone {
  let zone = ZONES.get(name);
  if (zone === undefined) {
    zone = new Zone(name);
    ZONES.set(name, zone);
  }
  return zone;
}

export function isZone(name: string): boolean {
  try {
    zoneNamed(name);
    return true;
  } catch {
    return false;
  }
}

/** What to add to UTC to get the zone's local time, in milliseconds. */
export function zoneOffsetMs(zone: string, utcMs: number): number {
  return zoneNamed(zone).offset(utcMs);
}

/** Start of the local day, or of the group of days, that contains the instant. */
export function localDayStart(zone: string, utcMs: number, group?: DayGroup): number {
  return zoneNamed(zone).dayStart(utcMs, group);
}

/** End of the local day, or of the group of days, that `localDayStart` gave the start of. */
export function localDayEnd(zone: string, dayStartMs: number, group?: DayGroup): number {
  return zoneNamed(zone).dayEnd(dayStartMs, group);
}
