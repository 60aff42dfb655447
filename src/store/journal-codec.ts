import type { Block, ReadingGroup } from "../model/block.js";
import { ByteReader, ByteWriter } from "../model/bytes.js";
import { type FieldValue, isMissing, MISSING } from "../model/reading.js";
import { KEYS } from "./keys.js";

/**
 * A block as one journal record, column by column, because the readings of one device resemble each other:
 * arrival and event times as deltas of deltas, decimal values as scaled integers with deltas, all as varints.
 * Every value is checked to come back exactly; a column that would not is written as raw doubles.
 *
 * Record: its place in the store, sequence, processing time, flags, the boot's clock, the part of a tick, the size of
 * shares and how far devices that are behind went on, where they matter, table of profile hashes, groups. A group: flags
 * with the number of readings, device, what kind of columns it has, rejections by reason, arrivals, times, fields, keys,
 * packet identities. Most groups of a busy gateway hold one reading, so a group leans on the one before it: its device's
 * name says only how it differs, kinds of columns are written where they are others, arrivals count from that group's
 * first, event times from where they stood to its arrivals, and values from its last ones.
 */
const VERSION = 4;
const BLOCK_TICK = 1;
const BLOCK_TRUSTED = 2;
const BLOCK_BOOT_CLOCK = 4;
const BLOCK_TICK_PART = 8;
const BLOCK_SHARES = 16;
const BLOCK_BEHIND = 32;
const GROUP_TIMED = 1;
const GROUP_KEYED = 2;
const GROUP_DELIVERED = 4;
/** Times of a group that mixes event times with arrival times: absent ones are marked. */
const GROUP_TIMES_MIXED = 8;
const GROUP_REJECTED = 16;
/** Its profile and its columns are not of the same kinds as those of the group before it. */
const GROUP_OTHER_KINDS = 32;
/** The flags are below the number of readings. */
const GROUP_FLAGS = 64;

/** Lengths of what a name has in common with the one before and of the rest, both in one byte, unless one is larger. */
const NAME_LENGTH_MAX = 14;
const NAME_IS_LONG = 0xff;

const COLUMN_MISSING = 0;
const COLUMN_DOUBLES = 1;
const COLUMN_TEXT = 2;
/** `COLUMN_SCALED + k`: integers, 10^k times the value. */
const COLUMN_SCALED = 16;
const SCALE_MAX = 6;
const SCALES = Array.from({ length: SCALE_MAX + 1 }, (_, k) => 10 ** k);
const SCALED_MAGNITUDE_MAX = 2 ** 45;

const writer = new ByteWriter();
const encoder = new TextEncoder();

/** How a block fits in with the rest of the store. */
export interface BlockPlace {
  /** Number of the stored state that it builds on (state-mark.ts). */
  readonly state: number;
  /** Position of the newest summary, with those that it caused. */
  readonly logHead: number;
}

export function encodeBlock(block: Block, { state, logHead }: BlockPlace): Uint8Array {
  writer.varint(state);
  writer.varint(logHead);
  writer.varint(block.sequence);
  writer.double(block.processingMs);
  const { bootClock: clock, tickPart, shareMax, behindThrough } = block;
  writer.byte(
    (block.tick ? BLOCK_TICK : 0) |
      (block.clockTrusted ? BLOCK_TRUSTED : 0) |
      (clock === undefined ? 0 : BLOCK_BOOT_CLOCK) |
      (tickPart === undefined ? 0 : BLOCK_TICK_PART) |
      (shareMax === undefined ? 0 : BLOCK_SHARES) |
      (behindThrough === undefined ? 0 : BLOCK_BEHIND),
  );
  if (clock !== undefined) {
    writer.varint(clock.boot);
    writer.double(clock.offsetMs);
  }
  if (tickPart !== undefined) {
    writer.varint(tickPart.part);
    writer.varint(tickPart.parts);
  }
  if (shareMax !== undefined) writer.varint(shareMax);
  if (behindThrough !== undefined) writer.text(behindThrough);
  const profiles = [...new Set(block.groups.map((group) => group.profile))];
  writer.varint(profiles.length);
  for (const profile of profiles) writer.text(profile);
  writer.varint(block.groups.length);
  const before = new Before();
  for (const group of block.groups) writeGroup(group, profiles.indexOf(group.profile), before);
  return writer.seal(VERSION, KEYS.journal(block.sequence));
}

/** What a group leans on: the one before it, and of arrivals, times and columns the last one that has readings. */
class Before {
  device = "";
  /** Place in the table of profiles. */
  profile = -1;
  /** Of its columns. */
  kinds: readonly number[] = [];
  /** Scaled values that its columns end with. */
  readonly lasts: number[] = [];
  arrivalMs = 0;
  /** What its event times were ahead of its arrivals by, at its first reading. */
  aheadMs = 0;

  /** What the values of a column are counted from. */
  from(field: number, kind: number): number {
    return this.kinds[field] === kind ? this.lasts[field]! : 0;
  }
}

function writeName(name: string, before: string): void {
  let shared = 0;
  while (shared < name.length && name[shared] === before[shared]) shared++;
  // A pair of surrogates is one character, and half of it is not text.
  if (shared > 0 && /[\ud800-\udbff]/.test(name[shared - 1]!)) shared--;
  const rest = encoder.encode(name.slice(shared));
  if (shared > NAME_LENGTH_MAX || rest.length > NAME_LENGTH_MAX) {
    writer.byte(NAME_IS_LONG);
    writer.varint(shared);
    writer.varint(rest.length);
  } else writer.byte(shared * 16 + rest.length);
  writer.bytes(rest);
}

function readName(reader: ByteReader, before: string): string {
  const lengths = reader.byte();
  if (lengths !== NAME_IS_LONG) return before.slice(0, lengths >> 4) + reader.text(lengths & 15);
  return before.slice(0, reader.varint()) + reader.text();
}

function writeGroup(group: ReadingGroup, profile: number, before: Before): void {
  const count = group.arrivals.length;
  const timed = group.times.filter((t) => !Number.isNaN(t)).length;
  const delivered = group.deliveries.some((identity) => identity !== 0);
  const mixed = timed > 0 && timed < count;
  const kinds = count === 0 ? before.kinds : kindsOf(group.values, before.kinds);
  const others = profile !== before.profile || kinds !== before.kinds;
  const flags =
    (timed > 0 ? GROUP_TIMED : 0) |
    (group.keys === undefined ? 0 : GROUP_KEYED) |
    (delivered ? GROUP_DELIVERED : 0) |
    (mixed ? GROUP_TIMES_MIXED : 0) |
    (group.rejected.length > 0 ? GROUP_REJECTED : 0) |
    (others ? GROUP_OTHER_KINDS : 0);
  writer.varint(count * GROUP_FLAGS + flags);
  writeName(group.device, before.device);
  before.device = group.device;
  if (others) {
    writer.varint(profile);
    writer.varint(kinds.length);
    for (const kind of kinds) writer.byte(kind);
    before.profile = profile;
  }
  if (group.rejected.length > 0) {
    writer.varint(group.rejected.length);
    for (let i = 0; i < group.rejected.length; i++) writer.varint(group.rejected[i] ?? 0);
  }
  if (count === 0) return;
  writeInstants(group.arrivals, before.arrivalMs);
  before.arrivalMs = group.arrivals[0]!;
  if (mixed) for (const time of group.times) writer.byte(Number.isNaN(time) ? 0 : 1);
  if (timed > 0) {
    const times = mixed ? group.times.filter((t) => !Number.isNaN(t)) : group.times;
    writeInstants(times, before.arrivalMs + before.aheadMs);
    before.aheadMs = times[0]! - before.arrivalMs;
  }
  for (let field = 0; field < kinds.length; field++) writeColumn(group.values, field, kinds[field]!, before);
  before.kinds = kinds;
  for (const key of group.keys ?? []) writer.text(key);
  if (delivered) {
    for (const identity of group.deliveries) {
      writer.byte(identity < 0 ? 1 : 0);
      writer.varint(Math.abs(identity));
    }
  }
}

function writeInstants(times: readonly number[], fromMs: number): void {
  let last = fromMs;
  let lastStep = 0;
  for (const time of times) {
    const step = time - last;
    writer.signed(step - lastStep);
    last = time;
    lastStep = step;
  }
}

/** Of all columns; those that they had before, where they are the same. */
function kindsOf(rows: readonly FieldValue[][], before: readonly number[]): readonly number[] {
  const fields = rows[0]!.length;
  let kinds: number[] | undefined;
  for (let field = 0; field < fields; field++) {
    const kind = kindOf(rows, field, before[field] ?? 0);
    if (kinds === undefined && kind !== before[field]) kinds = before.slice(0, field);
    kinds?.push(kind);
  }
  return kinds ?? (fields === before.length ? before : before.slice(0, fields));
}

function kindOf(rows: readonly FieldValue[][], field: number, before: number): number {
  let missing = 0;
  let text = false;
  for (const row of rows) {
    const value = row[field]!;
    if (typeof value === "string") text = true;
    else if (isMissing(value)) missing++;
  }
  if (missing === rows.length) return COLUMN_MISSING;
  if (text) return COLUMN_TEXT;
  if (missing > 0) return COLUMN_DOUBLES;
  const scale = commonScale(rows, field, Math.max(0, before - COLUMN_SCALED));
  return scale === undefined ? COLUMN_DOUBLES : COLUMN_SCALED + scale;
}

/** A power of ten that makes every value an integer and gives each back exactly: the smallest, or the one before. */
function commonScale(rows: readonly FieldValue[][], field: number, before: number): number | undefined {
  return scaleFrom(before, rows, field) ?? (before === 0 ? undefined : scaleFrom(0, rows, field));
}

function scaleFrom(least: number, rows: readonly FieldValue[][], field: number): number | undefined {
  let scale = least;
  for (const row of rows) {
    const value = row[field] as number;
    while (!scalesExactly(value, scale)) {
      scale++;
      if (scale > SCALE_MAX) return undefined;
    }
  }
  // A larger scale is not always exact for what a smaller one was.
  return rows.every((row) => scalesExactly(row[field] as number, scale)) ? scale : undefined;
}

function scalesExactly(value: number, scale: number): boolean {
  const factor = SCALES[scale]!;
  const scaled = Math.round(value * factor);
  // A varint has no -0. Object.is would have both numbers boxed.
  const isMinusZero = value === 0 && 1 / value < 0;
  return scaled / factor === value && !isMinusZero && Math.abs(scaled) < SCALED_MAGNITUDE_MAX;
}

function writeColumn(rows: readonly FieldValue[][], field: number, kind: number, before: Before): void {
  if (kind >= COLUMN_SCALED) writeScaled(rows, field, kind, before);
  else if (kind === COLUMN_TEXT) writeText(rows, field);
  else if (kind === COLUMN_DOUBLES) for (const row of rows) writer.double(row[field] as number);
}

function writeScaled(rows: readonly FieldValue[][], field: number, kind: number, before: Before): void {
  const factor = SCALES[kind - COLUMN_SCALED]!;
  let last = before.from(field, kind);
  for (const row of rows) {
    const scaled = Math.round((row[field] as number) * factor);
    writer.signed(scaled - last);
    last = scaled;
  }
  before.lasts[field] = last;
}

function writeText(rows: readonly FieldValue[][], field: number): void {
  for (const row of rows) {
    const value = row[field]!;
    writer.byte(typeof value === "string" ? 1 : 0);
    if (typeof value === "string") writer.text(value);
    else writer.double(value);
  }
}

export interface StoredBlock {
  readonly block: Block;
  readonly place: BlockPlace;
}

/** @throws CorruptRecord when the record is damaged, of another version, or not the one of this key */
export function decodeBlock(bytes: Uint8Array, key: string): StoredBlock {
  const reader = ByteReader.open(bytes, VERSION, key);
  const place = { state: reader.varint(), logHead: reader.varint() };
  const sequence = reader.varint();
  const processingMs = reader.double();
  const flags = reader.byte();
  const clock = (flags & BLOCK_BOOT_CLOCK) !== 0 ? readBootClock(reader) : {};
  const tickPart = (flags & BLOCK_TICK_PART) !== 0 ? readTickPart(reader) : {};
  const shares = (flags & BLOCK_SHARES) !== 0 ? { shareMax: reader.varint() } : {};
  const behind = (flags & BLOCK_BEHIND) !== 0 ? { behindThrough: reader.text() } : {};
  const profiles = Array.from({ length: reader.count() }, () => reader.text());
  const before = new Before();
  const groups = Array.from({ length: reader.count() }, () => readGroup(reader, profiles, before));
  const tick = (flags & BLOCK_TICK) !== 0;
  const clockTrusted = (flags & BLOCK_TRUSTED) !== 0;
  const timing = { processingMs, tick, clockTrusted, ...clock, ...tickPart, ...shares, ...behind };
  return { block: { sequence, ...timing, groups }, place };
}

function readTickPart(reader: ByteReader): Pick<Block, "tickPart"> {
  return { tickPart: { part: reader.varint(), parts: reader.varint() } };
}

function readBootClock(reader: ByteReader): Pick<Block, "bootClock"> {
  return { bootClock: { boot: reader.varint(), offsetMs: reader.double() } };
}

function readGroup(reader: ByteReader, profiles: readonly string[], before: Before): ReadingGroup {
  const head = reader.varint();
  const flags = head % GROUP_FLAGS;
  const count = reader.checked(Math.floor(head / GROUP_FLAGS));
  const device = readName(reader, before.device);
  before.device = device;
  let { kinds } = before;
  if ((flags & GROUP_OTHER_KINDS) !== 0) {
    before.profile = reader.varint();
    kinds = Array.from({ length: reader.count() }, () => reader.byte());
  }
  const profile = profiles[before.profile]!;
  const hasRejected = (flags & GROUP_REJECTED) !== 0;
  const rejected = hasRejected ? Array.from({ length: reader.count() }, () => reader.varint()) : [];
  const keyed = (flags & GROUP_KEYED) !== 0;
  if (count === 0) {
    return {
      profile,
      device,
      rejected,
      arrivals: [],
      times: [],
      values: [],
      keys: keyed ? [] : undefined,
      deliveries: [],
    };
  }
  const arrivals = readInstants(reader, count, before.arrivalMs);
  before.arrivalMs = arrivals[0]!;
  const times = readTimes(reader, count, flags, before);
  const values = Array.from({ length: count }, (): FieldValue[] => []);
  for (let field = 0; field < kinds.length; field++) readColumn(reader, values, field, kinds[field]!, before);
  before.kinds = kinds;
  const keys = keyed ? Array.from({ length: count }, () => reader.text()) : undefined;
  const delivered = (flags & GROUP_DELIVERED) !== 0;
  const deliveries = Array.from({ length: count }, () => (delivered ? readIdentity(reader) : 0));
  return { profile, device, rejected, arrivals, times, values, keys, deliveries };
}

function readIdentity(reader: ByteReader): number {
  const redelivered = reader.byte() === 1;
  const identity = reader.varint();
  return redelivered ? -identity : identity;
}

function readTimes(reader: ByteReader, count: number, flags: number, before: Before): number[] {
  if ((flags & GROUP_TIMED) === 0) return new Array<number>(count).fill(Number.NaN);
  const fromMs = before.arrivalMs + before.aheadMs;
  const mixed = (flags & GROUP_TIMES_MIXED) !== 0;
  const present = mixed ? Array.from({ length: count }, () => reader.byte() === 1) : undefined;
  const timed = readInstants(reader, present?.filter(Boolean).length ?? count, fromMs);
  before.aheadMs = timed[0]! - before.arrivalMs;
  if (present === undefined) return timed;
  let next = 0;
  return present.map((has) => (has ? timed[next++]! : Number.NaN));
}

function readInstants(reader: ByteReader, count: number, fromMs: number): number[] {
  let last = fromMs;
  let lastStep = 0;
  return Array.from({ length: count }, () => {
    lastStep += reader.signed();
    last += lastStep;
    return last;
  });
}

function readColumn(
  reader: ByteReader,
  rows: readonly FieldValue[][],
  field: number,
  kind: number,
  before: Before,
): void {
  if (kind >= COLUMN_SCALED) {
    const factor = SCALES[kind - COLUMN_SCALED]!;
    let last = before.from(field, kind);
    for (const row of rows) {
      last += reader.signed();
      row.push(last / factor);
    }
    before.lasts[field] = last;
    return;
  }
  for (const row of rows) {
    if (kind === COLUMN_MISSING) row.push(MISSING);
    else if (kind === COLUMN_DOUBLES) row.push(reader.double());
    else row.push(reader.byte() === 1 ? reader.text() : reader.double());
  }
}
