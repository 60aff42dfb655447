import { isUtf8 } from "node:buffer";

export interface LineBatchOptions {
  readonly encoding: "utf-8" | "latin1";
  /** Bytes of a line without its line break. */
  readonly lineBytesMax: number;
  /** Whether empty lines come as empty texts, so that lines can be counted. Default: they are left out. */
  readonly keepEmpty?: boolean | undefined;
}

/** A line as text, or as bytes where a decoder has to refuse it. */
export type Line = string | Uint8Array;

const LF = 0x0a;
const CR = 0x0d;
const BYTE_ORDER_MARK = 0xfeff;
/** UTF-8 needs at most this many bytes for one UTF-16 unit. */
const UNIT_BYTES_MAX = 3;

/**
 * Cuts chunks of bytes into lines, ended by LF or CRLF; empty lines are left out.
 *
 * No line is lost without a word: one that is not valid UTF-8 comes as its bytes, one that is longer than allowed as
 * the first `lineBytesMax + 1` of its bytes, and decoders refuse and count both. Chunks may be used again by the
 * caller; of a line that is still to end, no more than that many bytes are kept.
 */
export class LineBatches {
  readonly #options: LineBatchOptions;
  /** The beginning of a line that goes on in the next chunk, in pieces. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #isFirst = true;
  /** Lines so far that were longer than allowed. */
  overlongLines = 0;

  constructor(options: LineBatchOptions) {
    this.#options = options;
  }

  /** The lines that end in the chunk. */
  push(bytes: Uint8Array): readonly Line[] {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const lines: Line[] = [];
    const last = chunk.lastIndexOf(LF);
    if (last < 0) {
      this.#hold(chunk);
      return lines;
    }
    let from = 0;
    if (this.#heldBytes > 0) {
      const first = chunk.indexOf(LF);
      this.#hold(chunk.subarray(0, first));
      this.#release(lines);
      from = first + 1;
    }
    if (this.#options.keepEmpty === true) this.#splitAll(chunk.subarray(from, last + 1), lines);
    else if (from < last) this.#split(chunk.subarray(from, last), lines);
    this.#hold(chunk.subarray(last + 1));
    return this.#withoutMark(lines);
  }

  /** The last line, where no line break ends it. */
  end(): readonly Line[] {
    const lines: Line[] = [];
    if (this.#heldBytes > 0) this.#release(lines);
    return this.#withoutMark(lines);
  }

  #hold(piece: Buffer): void {
    // Two more than allowed: one that shows that it is too long, and the CR of a CRLF.
    const room = this.#options.lineBytesMax + 2 - this.#heldBytes;
    if (piece.length === 0 || room <= 0) return;
    const kept = Buffer.from(piece.subarray(0, room));
    this.#held.push(kept);
    this.#heldBytes += kept.length;
  }

  #release(lines: Line[]): void {
    const line = this.#held.length === 1 ? (this.#held[0] as Buffer) : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#addBytes(line, lines);
  }

  #split(bytes: Buffer, lines: Line[]): void {
    const { encoding } = this.#options;
    if (encoding === "utf-8" && !isUtf8(bytes)) {
      // A bad byte spoils its own line only.
      for (let at = 0; at < bytes.length; ) {
        const found = bytes.indexOf(LF, at);
        const end = found < 0 ? bytes.length : found;
        this.#addBytes(bytes.subarray(at, end), lines);
        at = end + 1;
      }
      return;
    }
    const text = bytes.toString(encoding);
    for (let at = 0; at < text.length; ) {
      const found = text.indexOf("\n", at);
      const end = found < 0 ? text.length : found;
      const bare = end > at && text.charCodeAt(end - 1) === CR ? end - 1 : end;
      if (bare > at) this.#addText(text.slice(at, bare), lines);
      at = end + 1;
    }
  }

  /** @param bytes whole lines with their line breaks */
  #splitAll(bytes: Buffer, lines: Line[]): void {
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(LF, at);
      this.#addBytes(bytes.subarray(at, end), lines);
      at = end + 1;
    }
  }

  #addBytes(line: Buffer, lines: Line[]): void {
    const { encoding, lineBytesMax } = this.#options;
    const bare = line[line.length - 1] === CR ? line.subarray(0, -1) : line;
    if (bare.length === 0 && this.#options.keepEmpty !== true) return;
    if (bare.length > lineBytesMax) this.#addOverlong(bare, lines);
    else if (encoding === "utf-8" && !isUtf8(bare)) lines.push(Uint8Array.from(bare));
    else lines.push(bare.toString(encoding));
  }

  #addText(line: string, lines: Line[]): void {
    const { encoding, lineBytesMax } = this.#options;
    const unitBytesMax = encoding === "utf-8" ? UNIT_BYTES_MAX : 1;
    const fits =
      line.length * unitBytesMax <= lineBytesMax || Buffer.byteLength(line, encoding) <= lineBytesMax;
    if (fits) lines.push(line);
    else this.#addOverlong(Buffer.from(line, encoding), lines);
  }

  #addOverlong(line: Buffer, lines: Line[]): void {
    this.overlongLines++;
    lines.push(Uint8Array.from(line.subarray(0, this.#options.lineBytesMax + 1)));
  }

  /** A byte order mark at the beginning of a file is no part of its first line. */
  #withoutMark(lines: Line[]): readonly Line[] {
    const first = lines[0];
    if (!this.#isFirst || first === undefined) return lines;
    this.#isFirst = false;
    if (typeof first !== "string" || first.charCodeAt(0) !== BYTE_ORDER_MARK) return lines;
    if (first.length === 1) lines.shift();
    else lines[0] = first.slice(1);
    return lines;
  }
}
