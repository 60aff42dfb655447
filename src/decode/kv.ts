import { WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import { type CellReader, cellReader } from "./cell.js";
import type { RecordDecoder } from "./record-decoder.js";
import type { KvSpec } from "./spec.js";
import { isBlank, linesOf, textOf } from "./text.js";

/**
 * Lines of `key=value` pairs, one record each.
 *
 * Values may stand in double quotes, with separators inside and a backslash before a quote or a backslash. Blanks
 * around keys and unquoted values are not part of them. Of a key that occurs twice the last one counts. A piece
 * without an assign mark is passed over, as loggers put words between their pairs; a line without a single pair is
 * bad. A payload of too many lines is refused as a whole.
 */
export class KvDecoder implements RecordDecoder {
  readonly #spec: KvSpec;
  readonly #isStream: boolean;
  readonly #read: CellReader;

  constructor(spec: KvSpec, isStream = false) {
    this.#spec = spec;
    this.#isStream = isStream;
    this.#read = cellReader(spec);
  }

  decode(payload: Uint8Array | string, each: (record: unknown) => void, bad: (detail: string) => void): void {
    const lines = linesOf(textOf(payload, this.#spec.encoding, this.#spec.maxBytes));
    if (lines.length > LIMITS.payloadReadingsMax) {
      throw new WeirError(
        "decode-too-large",
        `the payload has ${lines.length} lines, more than ${LIMITS.payloadReadingsMax}`,
        { hint: "send fewer readings in one payload" },
      );
    }
    if (lines.length === 0 && !this.#isStream) bad("the payload is empty");
    for (const line of lines) {
      const pairs = this.#pairs(line);
      if (typeof pairs === "string") bad(pairs);
      else each(pairs);
    }
  }

  /** @returns the pairs of a line, or what is wrong with it */
  #pairs(line: string): Map<string, string> | string {
    const { assign } = this.#spec;
    const pairs = new Map<string, string>();
    let mark = -1;
    for (let at = 0; at < line.length; ) {
      const end = this.#separatorFrom(line, at);
      // Looked for again only when it is behind, or a line of words would be searched once for each.
      if (mark < at) mark = line.indexOf(assign, at);
      if (mark < 0) break;
      if (mark >= end) {
        at = end + 1;
        continue;
      }
      const key = line.slice(at, mark).trim();
      const from = skipBlanks(line, mark + 1, end);
      if (line.charCodeAt(from) === QUOTE) {
        const close = closingQuote(line, from + 1);
        if (close < 0) return "a quote is not closed";
        if (key !== "") pairs.set(key, line.slice(from + 1, close).replace(/\\(["\\])/g, "$1"));
        at = this.#separatorFrom(line, close + 1) + 1;
      } else {
        if (key !== "") pairs.set(key, line.slice(from, end).trimEnd());
        at = end + 1;
      }
      if (pairs.size > LIMITS.rowColumnsMax) return `the line has more than ${LIMITS.rowColumnsMax} pairs`;
    }
    return pairs.size === 0 ? `there is no "key${assign}value" in the line` : pairs;
  }

  #separatorFrom(line: string, from: number): number {
    if (this.#spec.separator !== "whitespace") {
      const at = line.indexOf(this.#spec.separator, from);
      return at < 0 ? line.length : at;
    }
    let at = from;
    while (at < line.length && !isBlank(line.charCodeAt(at))) at++;
    return at;
  }

  getter(from: string): (record: unknown) => unknown {
    if (from === "") {
      throw new WeirError("bad-path", "a key cannot be empty", { hint: "write the key as the device does" });
    }
    const read = this.#read;
    return (record) => read((record as ReadonlyMap<string, string>).get(from));
  }

  /** The pairs, all of them text; what is absent is not in it. */
  view(record: unknown): unknown {
    const view = new Map<string, string>();
    for (const [key, text] of record as ReadonlyMap<string, string>) {
      const value = this.#read(text);
      if (value !== undefined) view.set(key, value);
    }
    return view;
  }

  openStream(): RecordDecoder {
    return new KvDecoder(this.#spec, true);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function skipBlanks(line: string, from: number, to: number): number {
  let at = from;
  while (at < to && isBlank(line.charCodeAt(at))) at++;
  return at;
}

function closingQuote(line: string, from: number): number {
  for (let at = from; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at;
  }
  return -1;
}
