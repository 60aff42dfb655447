import { ByteReader, ByteWriter, CorruptRecord } from "../model/bytes.js";
import { type Partials, readPartials, writePartials } from "../model/partials.js";
import { canonicalJson, fieldsWithState, type Summary } from "../model/summary.js";
import { KEYS } from "./keys.js";

/**
 * One entry of the summary log as it is stored: sealed (version, CRC), then a head that says what may become of the
 * entry when the log is full, then the JSON, then the state that merging needs. The head comes first, so that looking
 * for what can be merged reads no JSON.
 *
 * An entry without a head (a global window's) can be read and dropped, nothing else.
 */
const VERSION = 2;

export interface LogHead {
  /** Hash of `Mergeable.series`. */
  readonly series: number;
  readonly startMs: number;
  readonly endMs: number;
  /** Start of the first window in it; later than `startMs` only in a coarse summary. */
  readonly firstMs: number;
  /** Windows of the original size in it; more than one only in a coarse summary. */
  readonly windows: number;
  readonly revision: number;
  /** It stands for all revisions from this one on: those before it were superseded, and are gone. */
  readonly base: number;
  readonly final: boolean;
  /** See `WindowDefinition.coarsenMs`. */
  readonly ladderMs: readonly number[] | undefined;
}

export interface LogRecord {
  readonly head: LogHead | undefined;
  readonly json: string;
  /** Empty where the state is in the JSON. */
  readonly partials: Partials;
}

/** A summary as the engine gives it, or the JSON of one that cannot be merged. */
export function recordOf(summary: Summary | string): LogRecord {
  if (typeof summary === "string") return { head: undefined, json: summary, partials: {} };
  const { mergeable, revision, final } = summary;
  const json = canonicalJson(summary);
  if (mergeable === undefined) return { head: undefined, json, partials: {} };
  const { startMs, endMs, ladderMs } = mergeable;
  const partials = summary.partials === undefined ? mergeable.partials : {};
  const series = hashOf(mergeable.series);
  return {
    head: {
      series,
      startMs,
      endMs,
      firstMs: startMs,
      windows: 1,
      revision,
      base: revision,
      final,
      ladderMs,
    },
    json,
    partials,
  };
}

const writer = new ByteWriter();

export function encodeRecord({ head, json, partials }: LogRecord, position: number): Uint8Array {
  writer.byte(head === undefined ? 0 : 1);
  if (head !== undefined) {
    writer.double(head.series);
    writer.signed(head.startMs);
    writer.varint(head.endMs - head.startMs);
    writer.varint(head.firstMs - head.startMs);
    writer.varint(head.windows);
    writer.varint(head.revision);
    writer.varint(head.revision - head.base);
    writer.byte(head.final ? 1 : 0);
    writer.varint(head.ladderMs === undefined ? 0 : head.ladderMs.length + 1);
    for (const sizeMs of head.ladderMs ?? []) writer.varint(sizeMs);
  }
  writer.text(json);
  if (head !== undefined) writePartials(writer, partials, head.startMs);
  return writer.seal(VERSION, KEYS.log(position));
}

/** @throws CorruptRecord, as all of the following */
export function readJson(value: Uint8Array, position: number): string {
  const reader = ByteReader.open(value, VERSION, KEYS.log(position));
  readHeadOf(reader);
  return reader.text();
}

export function readHead(value: Uint8Array, position: number): LogHead | undefined {
  return readHeadOf(ByteReader.open(value, VERSION, KEYS.log(position)));
}

export function readRecord(value: Uint8Array, position: number): LogRecord {
  const reader = ByteReader.open(value, VERSION, KEYS.log(position));
  const head = readHeadOf(reader);
  const json = reader.text();
  if (head === undefined) return { head, json, partials: {} };
  const summary = JSON.parse(json) as Summary;
  const names = summary.partials === undefined ? fieldsWithState(summary) : [];
  return { head, json, partials: readPartials(reader, names, head.startMs) };
}

function readHeadOf(reader: ByteReader): LogHead | undefined {
  if (reader.byte() === 0) return undefined;
  const series = reader.double();
  const startMs = reader.signed();
  const endMs = startMs + reader.varint();
  const firstMs = startMs + reader.varint();
  const windows = reader.varint();
  const revision = reader.varint();
  const base = revision - reader.varint();
  if (base < 0) throw new CorruptRecord("a summary stands for more revisions than it has");
  const final = reader.byte() === 1;
  const rungs = reader.count();
  const ladderMs = rungs === 0 ? undefined : Array.from({ length: rungs - 1 }, () => reader.varint());
  return { series, startMs, endMs, firstMs, windows, revision, base, final, ladderMs };
}

/**
 * 53 bits of a text (cyrb53, public domain). Equal hashes only bring summaries together: whether they mean the same
 * is looked at again when they are merged.
 */
function hashOf(text: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
}
