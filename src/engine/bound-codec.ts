import type { ByteReader, ByteWriter } from "../model/bytes.js";
import type { FieldValue } from "../model/reading.js";
import type { Bound } from "./ordered.js";

/** How values before a window are stored: for each field, nothing or time, hash and value. */
export function writeBounds(writer: ByteWriter, bounds: readonly (Bound | undefined)[]): void {
  writer.varint(bounds.length);
  for (let i = 0; i < bounds.length; i++) {
    const bound = bounds[i];
    if (bound === undefined) {
      writer.byte(NONE);
      continue;
    }
    writer.byte(typeof bound.value === "string" ? TEXT : NUMBER);
    writer.number(bound.timeMs);
    writer.varint(bound.hash);
    if (typeof bound.value === "string") writer.text(bound.value);
    else writer.number(bound.value);
  }
}

const NONE = 0;
const NUMBER = 1;
const TEXT = 2;

export function readBounds(reader: ByteReader): (Bound | undefined)[] {
  return Array.from({ length: reader.count() }, () => {
    const kind = reader.byte();
    if (kind === NONE) return undefined;
    const timeMs = reader.number();
    const hash = reader.varint();
    const value: FieldValue = kind === TEXT ? reader.text() : reader.number();
    return { timeMs, hash, value };
  });
}
