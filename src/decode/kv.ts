import { LIMITS } from "../model/limits.js";
import type { RecordDecoder } from "./record-decoder.js";
import type { KvSpec } from "./spec.js";
import { BLANKS, type CellReader, cellReader, linesOf, textOf } from "./text.js";

/**
 * Lines of `key=value` pairs. A record is a map from key to text; blanks around keys and values, and double quotes
 * around values, are left out. Where a key occurs twice the last one counts. A piece without the assign mark is
 * passed over; a line without a single pair is bad.
 */
export class KvDecoder implements RecordDecoder {
  readonly #spec: KvSpec;
  readonly #read: CellReader;

  constructor(spec: KvSpec) {
    this.#spec = spec;
    this.#read = cellReader(spec);
  }

  decode(payload: Uint8Array | string, each: (record: unknown) => void, bad: (detail: string) => void): void {
    const lines = linesOf(textOf(payload, this.#spec.encoding, this.#spec.maxBytes));
    for (const [row, line] of lines.entries()) {
      if (row >= LIMITS.payloadReadingsMax) {
        bad(`there are more than ${LIMITS.payloadReadingsMax} lines; the rest is left out`);
        return;
      }
      const pairs = this.#pairs(line);
      if (pairs.size === 0) bad(`there is no "key${this.#spec.assign}value" in the line`);
      else each(pairs);
    }
  }

  #pairs(line: string): Map<string, string> {
    const { separator, assign } = this.#spec;
    const pairs = new Map<string, string>();
    for (const piece of line.trim().split(separator === "whitespace" ? BLANKS : separator)) {
      const at = piece.indexOf(assign);
      if (at <= 0) continue;
      pairs.set(piece.slice(0, at).trim(), unquoted(piece.slice(at + assign.length).trim()));
    }
    return pairs;
  }

  getter(from: string): (record: unknown) => unknown {
    const read = this.#read;
    return (record) => read((record as ReadonlyMap<string, string>).get(from));
  }

  view(record: unknown): unknown {
    const pairs = [...(record as ReadonlyMap<string, string>)];
    return Object.fromEntries(pairs.map(([key, value]) => [key, this.#read(value) ?? null]));
  }

  openStream(): RecordDecoder {
    return this;
  }
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}
