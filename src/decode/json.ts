import { messageOf, WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import { compilePointer } from "./json-pointer.js";
import type { RecordDecoder } from "./record-decoder.js";
import type { JsonSpec } from "./spec.js";
import { textOf } from "./text.js";

/**
 * JSON payloads (RFC 8259), one record each, or one per element of the list at `records`.
 *
 * What is refused as a whole: bytes that are not UTF-8, NaN and Infinity literals, nesting deeper than
 * `LIMITS.jsonDepthMax` (checked before anything is built), half a surrogate pair (it could not be stored as it is,
 * so a reading would change in a restart), more records than `LIMITS.payloadReadingsMax`.
 *
 * What is not: a number too large for a double becomes Infinity, which is no value of any field and is counted where
 * values get their type; whole numbers beyond 2^53 are rounded as JavaScript does; of a key that occurs twice the
 * last one counts; `__proto__` is a key as any other, and getters see nothing that is not in the payload.
 */
export class JsonDecoder implements RecordDecoder {
  readonly #spec: JsonSpec;
  readonly #records: ((value: unknown) => unknown) | undefined;

  constructor(spec: JsonSpec) {
    this.#spec = spec;
    this.#records = spec.records === undefined ? undefined : compilePointer(spec.records);
  }

  decode(payload: Uint8Array | string, each: (record: unknown) => void, bad: (detail: string) => void): void {
    const text = textOf(payload, "utf-8", this.#spec.maxBytes);
    checkDepth(text);
    const value = parse(text);
    if (this.#records === undefined) {
      each(value);
      return;
    }
    const records = this.#records(value);
    if (records === undefined || records === null) bad(`there is nothing at "${this.#spec.records}"`);
    else if (!Array.isArray(records)) each(records);
    else if (records.length <= LIMITS.payloadReadingsMax) for (const record of records) each(record);
    else {
      throw new WeirError(
        "decode-too-large",
        `the payload has ${records.length} records, more than ${LIMITS.payloadReadingsMax}`,
        { hint: "send fewer readings in one payload" },
      );
    }
  }

  getter(from: string): (record: unknown) => unknown {
    const find = compilePointer(from);
    return (record) => {
      const value = find(record);
      return value === null ? undefined : value;
    };
  }

  /** The record itself: it is plain data, of which only own properties may be read. */
  view(record: unknown): unknown {
    return record;
  }

  openStream(): RecordDecoder {
    return this;
  }
}

function parse(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new WeirError("decode-invalid", `the payload is not JSON: ${messageOf(error)}`);
  }
  // Only an escape can bring in half a pair, as UTF-8 cannot; so nearly all payloads end here.
  if (text.includes("\\u") && SURROGATE_ESCAPE.test(text) && hasLoneSurrogate(value)) {
    throw new WeirError("decode-invalid", "the payload has half of a surrogate pair in a text");
  }
  return value;
}

const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;
/** With the u flag whole pairs are one character, which is not in this class. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Recursion is safe: the depth has been checked. */
function hasLoneSurrogate(value: unknown): boolean {
  if (typeof value === "string") return LONE_SURROGATE.test(value);
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(hasLoneSurrogate);
  return Object.entries(value).some(([key, item]) => LONE_SURROGATE.test(key) || hasLoneSurrogate(item));
}

/**
 * Refuses nesting deeper than what reads the value should have to follow. A payload with fewer brackets than the
 * limit cannot be too deep, and counting them by `indexOf` costs a fifth of looking at every character.
 */
function checkDepth(text: string): void {
  const max = LIMITS.jsonDepthMax;
  if (occurrences(text, "{", max) + occurrences(text, "[", max) <= max) return;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === BACKSLASH) i++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > max) {
        throw new WeirError("decode-invalid", `the payload is nested deeper than ${max} levels`);
      }
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
  }
}

const BACKSLASH = 0x5c;
const QUOTE = 0x22;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** How often a character occurs, counted up to one more than `max`. */
function occurrences(text: string, character: string, max: number): number {
  let count = 0;
  for (let at = text.indexOf(character); at >= 0 && count <= max; at = text.indexOf(character, at + 1)) {
    count++;
  }
  return count;
}
