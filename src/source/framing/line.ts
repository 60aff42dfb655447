/**
 * Lines from a stream of bytes.
 *
 * Memory is bounded by `lineBytesMax`: of a line that gets longer nothing is kept and nothing is handed over; it is
 * counted once, and the next line begins after the next delimiter. So garbage without a line end costs nothing, however
 * long it lasts. A line that lies within one chunk is handed over without copying it.
 */
import { WeirError } from "../../model/errors.js";
import { LIMITS } from "../../model/limits.js";
import type { Framer } from "./framer.js";

export interface LineFramerOptions {
  /** What ends a line; "\n" by default, and then a "\r" before it is taken off. */
  readonly delimiter?: string;
  /** Without the delimiter. */
  readonly lineBytesMax?: number;
  /** Drops what comes before the first delimiter: it may be the end of a line whose beginning nobody saw. */
  readonly skipFirst?: boolean;
  /** Told once for every line that is too long. */
  readonly tooLarge: () => void;
}

const CARRIAGE_RETURN = 0x0d;

export class LineFramer implements Framer {
  readonly #delimiter: Buffer;
  readonly #trimReturn: boolean;
  readonly #lineBytesMax: number;
  readonly #skipFirst: boolean;
  readonly #tooLarge: () => void;
  /** The beginning of a line; its end, or its delimiter's, has not come yet. */
  readonly #pending: Buffer;
  #length = 0;
  #skipping: boolean;

  /** @throws WeirError `bad-delimiter` */
  constructor(options: LineFramerOptions) {
    const delimiter = options.delimiter ?? "\n";
    this.#delimiter = Buffer.from(delimiter);
    if (this.#delimiter.length === 0 || this.#delimiter.length > 16) {
      throw new WeirError("bad-delimiter", "a line delimiter has 1 to 16 bytes", {
        hint: String.raw`write it in double quotes, such as "\r\n"`,
      });
    }
    this.#trimReturn = delimiter === "\n";
    this.#lineBytesMax = options.lineBytesMax ?? LIMITS.serialLineBytesMax;
    this.#tooLarge = options.tooLarge;
    this.#skipFirst = options.skipFirst ?? false;
    this.#skipping = this.#skipFirst;
    // A line that is as long as allowed, the "\r" that is taken off, and all but the last byte of its delimiter.
    this.#pending = Buffer.allocUnsafe(this.#lineBytesMax + 1 + this.#delimiter.length);
  }

  reset(): void {
    this.#length = 0;
    this.#skipping = this.#skipFirst;
  }

  push(chunk: Uint8Array, each: (line: Uint8Array) => void): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = this.#length === 0 ? 0 : this.#finishPending(bytes, each);
    while (start < bytes.length) {
      const end = bytes.indexOf(this.#delimiter, start);
      if (end === -1) break;
      this.#emit(bytes.subarray(start, end), each);
      start = end + this.#delimiter.length;
    }
    this.#keep(bytes.subarray(Math.min(start, bytes.length)));
  }

  /**
   * Looks for the delimiter of the line that is pending.
   * @returns where the next line begins in the chunk
   */
  #finishPending(bytes: Buffer, each: (line: Uint8Array) => void): number {
    const delimiter = this.#delimiter;
    // The delimiter may have begun at the end of what is pending.
    const tail = Math.min(this.#length, delimiter.length - 1);
    if (tail > 0) {
      const seam = Buffer.concat([
        this.#pending.subarray(this.#length - tail, this.#length),
        bytes.subarray(0, delimiter.length - 1),
      ]);
      const at = seam.indexOf(delimiter);
      if (at !== -1) {
        const lineBytes = this.#length - tail + at;
        this.#length = 0;
        this.#emit(this.#pending.subarray(0, lineBytes), each);
        return at + delimiter.length - tail;
      }
    }
    const end = bytes.indexOf(delimiter);
    if (end === -1) return 0;
    this.#keep(bytes.subarray(0, end));
    const line = this.#pending.subarray(0, this.#length);
    this.#length = 0;
    this.#emit(line, each);
    return end + delimiter.length;
  }

  #emit(line: Buffer, each: (line: Uint8Array) => void): void {
    if (this.#skipping) {
      this.#skipping = false;
      return;
    }
    const returned = this.#trimReturn && line.length > 0 && line[line.length - 1] === CARRIAGE_RETURN;
    const bytes = returned ? line.subarray(0, -1) : line;
    if (bytes.length > this.#lineBytesMax) this.#tooLarge();
    else if (bytes.length > 0) each(bytes);
  }

  /** Keeps the beginning of a line, or begins to skip it where it does not fit any more. */
  #keep(bytes: Buffer): void {
    const tail = this.#delimiter.length - 1;
    if (!this.#skipping && this.#length + bytes.length > this.#lineBytesMax + 1 + tail) {
      this.#tooLarge();
      this.#skipping = true;
    }
    if (!this.#skipping) {
      bytes.copy(this.#pending, this.#length);
      this.#length += bytes.length;
      return;
    }
    // Of a line that is skipped only what may be the beginning of its delimiter matters.
    const seam = Buffer.concat([
      this.#pending.subarray(0, this.#length),
      bytes.subarray(-tail || bytes.length),
    ]);
    const kept = tail === 0 ? seam.subarray(0, 0) : seam.subarray(-tail);
    kept.copy(this.#pending);
    this.#length = kept.length;
  }
}
