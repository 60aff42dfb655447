/** What every MQTT packet begins with (MQTT 3.1.1, 2.2): a byte of type and flags, and the length of what follows. */
export interface FixedHeader {
  readonly bodyAt: number;
  /** Where the packet ends; may be beyond the bytes that are there. */
  readonly end: number;
}

/** The longest remaining length has four bytes (MQTT 3.1.1, 2.2.3). */
const LENGTH_BYTES_MAX = 4;

/**
 * How many bytes the remaining length takes; undefined while its end has not come. A length that never ends counts
 * as `LENGTH_BYTES_MAX`, and the parser refuses it.
 */
export function lengthBytesAt(bytes: Buffer, at: number): number | undefined {
  for (let i = 0; i < LENGTH_BYTES_MAX; i++) {
    if (at + i >= bytes.length) return undefined;
    if (bytes[at + i]! < 0x80) return i + 1;
  }
  return LENGTH_BYTES_MAX;
}

/** 0 for a length that does not end, so that its bytes reach the parser as they are. */
export function lengthAt(bytes: Buffer, at: number, count: number): number {
  if (bytes[at + count - 1]! >= 0x80) return 0;
  let length = 0;
  for (let i = count - 1; i >= 0; i--) length = length * 128 + (bytes[at + i]! & 0x7f);
  return length;
}

/** Of a packet whose fixed header is all there. */
export function fixedHeaderAt(bytes: Buffer, at: number): FixedHeader {
  const count = lengthBytesAt(bytes, at + 1) ?? LENGTH_BYTES_MAX;
  const bodyAt = at + 1 + count;
  return { bodyAt, end: bodyAt + lengthAt(bytes, at + 1, count) };
}
