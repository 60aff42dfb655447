/**
 * The mergeable state of a summary: everything that its results are computed from, so that merging the states of
 * several windows gives exactly what one window over all of their readings would have given.
 *
 * A field's state is a list of numbers and texts per accumulator; PARTIALS.md beside this file says what they are.
 * Name, unit and aggregates of a field are in the summary's JSON: the two together need no profile, which may be another
 * one when they are merged, or none.
 *
 * In stored records an accumulator is one byte and, behind that, the text in parentheses where it has one; a number the
 * shortest of: a whole number, a whole number relative to the window's start (times), a double. Where the profile asks
 * for partials upstream they are in the JSON (summary-partials.ts), and not here again.
 */
import { type ByteReader, type ByteWriter, CorruptRecord } from "./bytes.js";
import type { CoarseWindow } from "./coarse-window.js";
import { WeirError } from "./errors.js";

export type AccumulatorState = readonly (number | string)[];

export interface FieldPartials {
  /** Place of the field in its profile; a merged summary lists its fields in this order. */
  readonly index: number;
  /** Names of an enum's values. */
  readonly values: readonly string[] | undefined;
  /** By accumulator. */
  readonly state: Readonly<Record<string, AccumulatorState>>;
}

/** By field name, in the summary's order. */
export type Partials = Readonly<Record<string, FieldPartials>>;

/** What the log needs to merge a summary with others. */
export interface Mergeable {
  /** Summaries are merged only where this is equal: device, window and everything that gives results their meaning. */
  readonly series: string;
  readonly startMs: number;
  readonly endMs: number;
  /** See `WindowDefinition.coarsenMs`. */
  readonly ladderMs: readonly number[] | undefined;
  readonly partials: Partials;
}

/** A summary with its state, to be merged. */
export interface MergeMember {
  readonly json: string;
  /** Empty where the state is in the JSON (summary-partials.ts). */
  readonly partials: Partials;
  /** Start of the first window in it. */
  readonly firstMs: number;
  /** Windows of the original size in it. */
  readonly windows: number;
}

/**
 * Merges final summaries of one series, oldest first, into the one of a coarser window.
 * @throws WeirError `unmergeable` when they do not mean the same
 */
export type MergeSummaries = (members: readonly MergeMember[], window: CoarseWindow) => MergeMember;

/** The position in the list is the code in stored records: append, never reorder. */
const ACCUMULATORS = [
  ...["count", "sum", "squares", "extent", "ends"],
  ...["histogram", "distinct", "tally", "trend", "pairs", "pairSquares", "period"],
  ...["change", "timeIntegral", "linearIntegral", "steppedIntegral", "durationIn", "transitions"],
];
/** Those with a parameter. */
const PARAMETRISED = ["pairs", "pairSquares", "durationIn"];
const CODES: ReadonlyMap<string, number> = new Map(ACCUMULATORS.map((name, code) => [name, code]));

const WHOLE = 0;
const RELATIVE = 1;
const DOUBLE = 2;
const TEXT = 3;
/** `ByteWriter.signed` takes no more. */
const WHOLE_MAX = 2 ** 52;

/** @param startMs start of the window, to which times are written relative */
export function writePartials(writer: ByteWriter, partials: Partials, startMs: number): void {
  for (const { index, values, state } of Object.values(partials)) {
    writer.varint(index);
    writer.varint(values === undefined ? 0 : values.length + 1);
    for (const value of values ?? []) writer.text(value);
    const accumulators = Object.entries(state);
    writer.byte(accumulators.length);
    for (const [name, items] of accumulators) {
      writeName(writer, name);
      writer.varint(items.length);
      for (const item of items) writeItem(writer, item, startMs);
    }
  }
}

/** @param names the fields of the summary's JSON, in order */
export function readPartials(reader: ByteReader, names: readonly string[], startMs: number): Partials {
  const partials: Record<string, FieldPartials> = {};
  for (const name of names) {
    const index = reader.varint();
    const count = reader.count();
    const values = count === 0 ? undefined : Array.from({ length: count - 1 }, () => reader.text());
    const state: Record<string, AccumulatorState> = {};
    for (let left = reader.byte(); left > 0; left--) {
      const accumulator = readName(reader);
      state[accumulator] = Array.from({ length: reader.count() }, () => readItem(reader, startMs));
    }
    partials[name] = { index, values, state };
  }
  return partials;
}

function writeName(writer: ByteWriter, name: string): void {
  const open = name.indexOf("(");
  const code = CODES.get(open < 0 ? name : name.slice(0, open));
  if (code === undefined) throw new WeirError("unknown-accumulator", `"${name}" has no code in records`);
  writer.byte(code);
  if (open >= 0) writer.text(name.slice(open + 1, -1));
}

function readName(reader: ByteReader): string {
  const name = ACCUMULATORS[reader.byte()];
  if (name === undefined) throw new CorruptRecord("an accumulator is of a kind not known here");
  return PARAMETRISED.includes(name) ? `${name}(${reader.text()})` : name;
}

function writeItem(writer: ByteWriter, item: number | string, startMs: number): void {
  if (typeof item === "string") {
    writer.byte(TEXT);
    writer.text(item);
  } else if (!Number.isInteger(item) || Math.abs(item) > WHOLE_MAX || Object.is(item, -0)) {
    writer.byte(DOUBLE);
    writer.double(item);
  } else if (Math.abs(item - startMs) < Math.abs(item)) {
    writer.byte(RELATIVE);
    writer.signed(item - startMs);
  } else {
    writer.byte(WHOLE);
    writer.signed(item);
  }
}

function readItem(reader: ByteReader, startMs: number): number | string {
  switch (reader.byte()) {
    case WHOLE:
      return reader.signed();
    case RELATIVE:
      return startMs + reader.signed();
    case DOUBLE:
      return reader.double();
    case TEXT:
      return reader.text();
    default:
      throw new CorruptRecord("a number is of a kind not known here");
  }
}
