import type { Block, ReadingGroup } from "../model/block.js";
import { ByteReader, ByteWriter } from "../model/bytes.js";
import { type FieldValue, isMissing, MISSING } from "../model/reading.js";
import { KEYS } from "./keys.js";

/**
 * A block as one journal record, column by column, because the readings of one device resemble each other:
 * arrival and event times as deltas of deltas, decimal values as scaled integers with deltas, all as varints.
 * Every value is checked to come back exactly; a column that would not is written as raw doubles.
 *
 * Record: its place in the store, sequence, processing time, flags,
 * the boot's clock and the part of a tick where they matter, table of profile hashes, groups. A group: profile, device, rejections by reason, number of readings, flags, arrivals, times, fields, keys, packet identities. Most groups of a busy
 * gateway hold one reading, so a group leans on the one before it: its device's name says only how it differs, its
 * arrivals count from that group's first, and its event times from its own first arrival.
 */
const VERSION = 3;
const BLOCK_TICK = 1;
const BLOCK_TRUSTED = 2;
const BLOCK_BOOT_CLOCK = 4;
const BLOCK_TICK_PART = 8;
const GROUP_TIMED = 1;
const GROUP_KEYED = 2;
const GROUP_DELIVERED = 4;
/** Times of a group that mixes event times with arrival times: absent ones are marked. */
const GROUP_TIMES_MIXED = 8;

const COLUMN_MISSING = 0;
const COLUMN_DOUBLES = 1;
const COLUMN_TEXT = 2;
/** `COLUMN_SCALED + k`: integers, 10^k times the value. */
const COLUMN_SCALED = 16;
const SCALE_MAX = 6;
const SCALES = Array.from({ length: SCALE_MAX + 1 }, (_, k) => 10 ** k);
const SCALED_MAGNITUDE_MAX = 2 ** 45;

const writer = new ByteWriter();

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
  const { bootClock: clock, tickPart } = block;
  writer.byte(
    (block.tick ? BLOCK_TICK : 0) |
      (block.clockTrusted ? BLOCK_TRUSTED : 0) |
      (clock === undefined ? 0 : BLOCK_BOOT_CLOCK) |
      (tickPart === undefined ? 0 : BLOCK_TICK_PART),
  );
  if (clock !== undefined) {
    writer.varint(clock.boot);
    writer.double(clock.offsetMs);
  }
  if (tickPart !== undefined) {
    writer.varint(tickPart.part);
    writer.varint(tickPart.parts);
  }
  const profiles = [...new Set(block.groups.map((group) => group.profile))];
  writer.varint(profiles.length);
  for (const profile of profiles) writer.text(profile);
  writer.varint(block.groups.length);
  let before = NO_GROUP;
  for (const group of block.groups) {
    writer.varint(profiles.indexOf(group.profile));
    writeGroup(group, before);
    before = leaning(group, before);
  }
  return writer.seal(VERSION, KEYS.journal(block.sequence));
}

/** What a group leans on. */
interface Before {
  readonly device: string;
  readonly arrivalMs: number;
}

const NO_GROUP: Before = { device: "", arrivalMs: 0 };

function leaning({ device, arrivals }: ReadingGroup, before: Before): Before {
  return { device, arrivalMs: arrivals[0] ?? before.arrivalMs };
}

function writeName(name: string, before: string): void {
  let shared = 0;
  while (shared < name.length && name[shared] === before[shared]) shared++;
  // A pair of surrogates is one character, and half of it is not text.
  if (shared > 0 && /[\ud800-\udbff]/.test(name[shared - 1]!)) shared--;
  writer.varint(shared);
  writer.text(name.slice(shared));
}

function readName(reader: ByteReader, before: string): string {
  return before.slice(0, reader.varint()) + reader.text();
}

function writeGroup(group: ReadingGroup, before: Before): void {
  const count = group.arrivals.length;
  const timed = group.times.filter((t) => !Number.isNaN(t)).length;
  const delivered = group.deliveries.some((identity) => identity !== 0);
  writeName(group.device, before.device);
  writer.varint(group.rejected.length);
  for (let i = 0; i < group.rejected.length; i++) writer.varint(group.rejected[i] ?? 0);
  writer.varint(count);
  if (count === 0) return;
  const mixed = timed > 0 && timed < count;
  writer.byte(
    (timed > 0 ? GROUP_TIMED : 0) |
      (group.keys === undefined ? 0 : GROUP_KEYED) |
      (delivered ? GROUP_DELIVERED : 0) |
      (mixed ? GROUP_TIMES_MIXED : 0),
  );
  writeInstants(group.arrivals, before.arrivalMs);
  if (mixed) for (const time of group.times) writer.byte(Number.isNaN(time) ? 0 : 1);
  const times = mixed ? group.times.filter((t) => !Number.isNaN(t)) : group.times;
  if (timed > 0) writeInstants(times, group.arrivals[0]!);
  const fields = group.values[0]!.length;
  writer.varint(fields);
  for (let field = 0; field < fields; field++) writeColumn(group.values, field);
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

function writeColumn(rows: readonly FieldValue[][], field: number): void {
  let missing = 0;
  let text = false;
  for (const row of rows) {
    const value = row[field]!;
    if (typeof value === "string") text = true;
    else if (isMissing(value)) missing++;
  }
  if (missing === rows.length) {
    writer.byte(COLUMN_MISSING);
    return;
  }
  const scale = text || missing > 0 ? undefined : commonScale(rows, field);
  if (scale !== undefined) writeScaled(rows, field, scale);
  else if (text) writeText(rows, field);
  else {
    writer.byte(COLUMN_DOUBLES);
    for (const row of rows) writer.double(row[field] as number);
  }
}

/** The smallest power of ten that makes every value an integer and gives each back exactly. */
function commonScale(rows: readonly FieldValue[][], field: number): number | undefined {
  let scale = 0;
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
  return scaled / factor === value && Math.abs(scaled) < SCALED_MAGNITUDE_MAX;
}

function writeScaled(rows: readonly FieldValue[][], field: number, scale: number): void {
  writer.byte(COLUMN_SCALED + scale);
  const factor = SCALES[scale]!;
  let last = 0;
  for (const row of rows) {
    const scaled = Math.round((row[field] as number) * factor);
    writer.signed(scaled - last);
    last = scaled;
  }
}

function writeText(rows: readonly FieldValue[][], field: number): void {
  writer.byte(COLUMN_TEXT);
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
  const profiles = Array.from({ length: reader.count() }, () => reader.text());
  let before = NO_GROUP;
  const groups = Array.from({ length: reader.count() }, () => {
    const group = readGroup(reader, profiles, before);
    before = leaning(group, before);
    return group;
  });
  const tick = (flags & BLOCK_TICK) !== 0;
  const clockTrusted = (flags & BLOCK_TRUSTED) !== 0;
  return { block: { sequence, processingMs, tick, clockTrusted, ...clock, ...tickPart, groups }, place };
}

function readTickPart(reader: ByteReader): Pick<Block, "tickPart"> {
  return { tickPart: { part: reader.varint(), parts: reader.varint() } };
}

function readBootClock(reader: ByteReader): Pick<Block, "bootClock"> {
  return { bootClock: { boot: reader.varint(), offsetMs: reader.double() } };
}

function readGroup(reader: ByteReader, profiles: readonly string[], before: Before): ReadingGroup {
  const profile = profiles[reader.varint()]!;
  const device = readName(reader, before.device);
  const rejected = Array.from({ length: reader.count() }, () => reader.varint());
  const count = reader.count();
  if (count === 0) {
    return {
      profile,
      device,
      rejected,
      arrivals: [],
      times: [],
      values: [],
      keys: undefined,
      deliveries: [],
    };
  }
  const flags = reader.byte();
  const arrivals = readInstants(reader, count, before.arrivalMs);
  const times = readTimes(reader, count, flags, arrivals[0]!);
  const values = Array.from({ length: count }, (): FieldValue[] => []);
  for (let field = 0, fields = reader.count(); field < fields; field++) readColumn(reader, values);
  const keyed = (flags & GROUP_KEYED) !== 0;
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

function readTimes(reader: ByteReader, count: number, flags: number, fromMs: number): number[] {
  if ((flags & GROUP_TIMED) === 0) return new Array<number>(count).fill(Number.NaN);
  if ((flags & GROUP_TIMES_MIXED) === 0) return readInstants(reader, count, fromMs);
  const present = Array.from({ length: count }, () => reader.byte() === 1);
  const timed = readInstants(reader, present.filter(Boolean).length, fromMs);
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

function readColumn(reader: ByteReader, rows: readonly FieldValue[][]): void {
  const kind = reader.byte();
  if (kind >= COLUMN_SCALED) {
    const factor = SCALES[kind - COLUMN_SCALED]!;
    let last = 0;
    for (const row of rows) {
      last += reader.signed();
      row.push(last / factor);
    }
    return;
  }
  for (const row of rows) {
    if (kind === COLUMN_MISSING) row.push(MISSING);
    else if (kind === COLUMN_DOUBLES) row.push(reader.double());
    else row.push(reader.byte() === 1 ? reader.text() : reader.double());
  }
}
