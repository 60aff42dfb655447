/**
 * Reading and writing binary records: little-endian doubles, LEB128 varints (zigzag where signed, up to 2^53),
 * length-prefixed UTF-8, and an envelope of version byte and CRC-32 around a whole record. The checksum covers the key
 * that the record is kept under as well: a record that turns up under another key is damage, too.
 */
import zlib from "node:zlib";

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder("utf-8", { fatal: true });

/** Four times as much must fit into a varint. */
const WHOLE_MAX = 2 ** 50;

/** A record that is cut, damaged or of a version this program does not know. */
export class CorruptRecord extends Error {
  override readonly name = "CorruptRecord";
}

/** A sealed record and the key it is kept under. */
export interface KeyedRecord {
  readonly key: string;
  readonly value: Uint8Array;
}

/** Grows as needed; `finish` hands out the bytes and leaves the writer ready for the next record. */
export class ByteWriter {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) + 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Whole number from -2^52 to 2^52. */
  signed(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** Any number: a whole one that is not too large as `signed` would be, others as nine bytes. */
  number(value: number): void {
    if (Number.isInteger(value) && Math.abs(value) <= WHOLE_MAX && !Object.is(value, -0)) {
      this.varint(value < 0 ? -4 * value - 2 : 4 * value);
    } else {
      this.byte(1);
      this.double(value);
    }
  }

  text(value: string): void {
    // Three bytes per UTF-16 unit is the most that UTF-8 needs.
    const bytes = textEncoder.encode(value);
    this.varint(bytes.length);
    this.bytes(bytes);
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** The record: version, CRC-32 of key and content, content. Resets the writer. */
  seal(version: number, key: string): Uint8Array {
    const sealed = new Uint8Array(5 + this.#length);
    const content = this.#bytes.subarray(0, this.#length);
    sealed[0] = version;
    new DataView(sealed.buffer).setUint32(1, crc32(content, key), true);
    sealed.set(content, 5);
    this.#length = 0;
    return sealed;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Reads what `ByteWriter` wrote; throws `CorruptRecord` rather than reading past the end. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  private constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  /**
   * Opens the sealed record that was found under `key`.
   * @throws CorruptRecord when the version is not `version` or the checksum is wrong
   */
  static open(bytes: Uint8Array, version: number, key: string): ByteReader {
    if (bytes.length < 5) throw new CorruptRecord("the record is cut");
    if (bytes[0] !== version) throw new CorruptRecord(`the record has version ${bytes[0]}, not ${version}`);
    const reader = new ByteReader(bytes, 5);
    if (reader.#view.getUint32(1, true) !== crc32(bytes.subarray(5), key))
      throw new CorruptRecord("the checksum is wrong");
    return reader;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    this.#need(1);
    return this.#bytes[this.#at++]!;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new CorruptRecord("a number is too long");
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }

  double(): number {
    this.#need(8);
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }

  number(): number {
    const value = this.varint();
    if (value % 2 === 1) return this.double();
    return value % 4 === 2 ? -(value + 2) / 4 : value / 4;
  }

  /** @param length in bytes, where it is not in front of the text */
  text(length = this.varint()): string {
    const bytes = this.bytes(length);
    try {
      return textDecoder.decode(bytes);
    } catch {
      throw new CorruptRecord("a text is none");
    }
  }

  bytes(count: number): Uint8Array {
    this.#need(count);
    const value = this.#bytes.subarray(this.#at, this.#at + count);
    this.#at += count;
    return value;
  }

  /** A count of things of at least one byte each, so that a damaged count cannot ask for all memory. */
  count(): number {
    return this.checked(this.varint());
  }

  /** A count that was read as part of something else. */
  checked(value: number): number {
    if (value > this.#bytes.length) throw new CorruptRecord("a count is too large");
    return value;
  }

  #need(count: number): void {
    if (this.#at + count > this.#bytes.length) throw new CorruptRecord("the record is cut");
  }
}

const CRC_TABLE = (() => {
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    table[n] = c >>> 0;
  }
  return table;
})();

/** What a sealed record says of itself: two records of one key are equal if their marks are. */
export function sealMark(sealed: Uint8Array): number {
  return new DataView(sealed.buffer, sealed.byteOffset).getUint32(1, true);
}

/**
 * CRC-32 (ISO 3309, as in zip and Ethernet). A long record is added up some eight times faster by zlib than it would be
 * here; of a key that would not be worth the call.
 * @param prefix text that comes before the bytes, as UTF-16
 */
export function crc32(bytes: Uint8Array, prefix = ""): number {
  let crc = 0xffffffff;
  for (let i = 0; i < prefix.length; i++) {
    const unit = prefix.charCodeAt(i);
    crc = CRC_TABLE[(crc ^ unit) & 0xff]! ^ (crc >>> 8);
    crc = CRC_TABLE[(crc ^ (unit >>> 8)) & 0xff]! ^ (crc >>> 8);
  }
  return zlib.crc32(bytes, (crc ^ 0xffffffff) >>> 0);
}
