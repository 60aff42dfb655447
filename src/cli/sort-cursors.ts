import { readSync } from "node:fs";

/**
 * Records of the external sort, one after the other, from memory or from a file: a double and a length in four bytes,
 * little-endian, then that many bytes.
 */
export interface Cursor {
  /** Whether there is a record; the others may only be asked for when there is. */
  readonly valid: boolean;
  readonly order: number;
  /** The record, header included, is from `start` to `end` in these bytes, until `next` is called. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  next(): void;
}

export const RECORD_HEADER_BYTES = 12;

/** Records at given places. */
export class MemoryCursor implements Cursor {
  readonly #buffers: readonly Buffer[];
  readonly #places: { readonly slabs: readonly number[]; readonly starts: readonly number[] };
  #index = -1;
  valid = true;
  order = 0;
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;

  /** @param places index of the buffer and start in it, for each record */
  constructor(
    buffers: readonly Buffer[],
    places: { readonly slabs: readonly number[]; readonly starts: readonly number[] },
  ) {
    this.#buffers = buffers;
    this.#places = places;
    this.next();
  }

  next(): void {
    const { slabs, starts } = this.#places;
    this.#index++;
    this.valid = this.#index < starts.length;
    if (!this.valid) return;
    this.bytes = this.#buffers[slabs[this.#index]!]!;
    this.start = starts[this.#index]!;
    this.order = this.bytes.readDoubleLE(this.start);
    this.end = this.start + RECORD_HEADER_BYTES + this.bytes.readUInt32LE(this.start + 8);
  }
}

const READ_BYTES = 128 * 1024;

/** Records that lie one behind the other in a part of a file. */
export class FileCursor implements Cursor {
  readonly #file: number;
  /** Of the file, what has not been read yet. */
  #from: number;
  readonly #to: number;
  /** Bytes of the buffer that have been read. */
  #filled = 0;
  valid = true;
  order = 0;
  bytes: Buffer;
  start = 0;
  end = 0;

  constructor(file: number, from: number, to: number) {
    this.#file = file;
    this.#from = from;
    this.#to = to;
    this.bytes = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, to - from));
    this.next();
  }

  next(): void {
    this.start = this.end;
    this.valid = this.start < this.#filled || this.#from < this.#to;
    if (!this.valid) return;
    this.#need(RECORD_HEADER_BYTES);
    this.#need(RECORD_HEADER_BYTES + this.bytes.readUInt32LE(this.start + 8));
    this.order = this.bytes.readDoubleLE(this.start);
    this.end = this.start + RECORD_HEADER_BYTES + this.bytes.readUInt32LE(this.start + 8);
  }

  /** Sees to it that so many bytes from `start` on are in the buffer. */
  #need(count: number): void {
    if (this.#filled - this.start >= count) return;
    const kept = this.bytes.subarray(this.start, this.#filled);
    const target = count > this.bytes.length ? Buffer.allocUnsafeSlow(count) : this.bytes;
    kept.copy(target);
    this.bytes = target;
    this.#filled = kept.length;
    this.start = 0;
    while (this.#filled < count) {
      const room = Math.min(target.length - this.#filled, this.#to - this.#from);
      const read = readSync(this.#file, target, this.#filled, room, this.#from);
      if (read === 0) throw new Error("a temporary file of the sort is cut");
      this.#filled += read;
      this.#from += read;
    }
  }
}
