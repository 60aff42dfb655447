import { messageOf, WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import { compilePointer } from "./json-pointer.js";
import type { RecordDecoder } from "./record-decoder.js";
import type { JsonSpec } from "./spec.js";
import { textOf } from "./text.js";

/**
 * JSON payloads (RFC 8259). Nesting is bounded before parsing. A number too large for a double parses as Infinity,
 * which is no reading and is sorted out where values get their type. Where a key occurs twice the last one counts.
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
    if (!Array.isArray(records)) {
      if (records === undefined || records === null) bad(`there is nothing at "${this.#spec.records}"`);
      else each(records);
      return;
    }
    if (records.length > LIMITS.payloadReadingsMax) {
      throw new WeirError(
        "decode-too-large",
        `the payload has ${records.length} records, more than ${LIMITS.payloadReadingsMax}`,
      );
    }
    for (const record of records) each(record);
  }

  getter(from: string): (record: unknown) => unknown {
    const find = compilePointer(from);
    return (record) => {
      const value = find(record);
      return value === null ? undefined : value;
    };
  }

  view(record: unknown): unknown {
    return record;
  }

  openStream(): RecordDecoder {
    return this;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new WeirError("decode-invalid", `the payload is not JSON: ${messageOf(error)}`);
  }
}

/** Refuses payloads nested deeper than anything that reads them should have to follow. */
function checkDepth(text: string): void {
  let openers = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x7b || code === 0x5b) openers++;
  }
  if (openers > LIMITS.jsonDepthMax && depthOf(text) > LIMITS.jsonDepthMax) {
    throw new WeirError("decode-invalid", `the payload is nested deeper than ${LIMITS.jsonDepthMax}`);
  }
}

function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
  }
  return deepest;
}
