import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { PassThrough, pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { messageOf, WeirError } from "../model/errors.js";

/**
 * Recorded payloads, one a line, from a file or standard input. Gzip is recognised by its first bytes, not by a
 * name. Lines come in batches, so that the reader can work through one without waiting; what is in memory is one
 * chunk and the beginning of the next line, whatever the size of the file.
 */
export interface Recording {
  /** Batches of lines without their line breaks; a line that is not valid UTF-8 comes as its bytes. Empty lines are left out. */
  batches(): AsyncGenerator<readonly (string | Uint8Array)[]>;
  /** Bytes of the file read so far, before decompression. */
  readonly bytesRead: number;
  /** Size of the file; undefined for standard input. */
  readonly bytesTotal: number | undefined;
  /** Lines that were longer than `lineBytesMax` and left out. */
  readonly overlongLines: number;
}

export interface RecordingOptions {
  /** `-` for standard input. */
  readonly path: string;
  readonly encoding: "utf-8" | "latin1";
  readonly lineBytesMax: number;
}

const CHUNK_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;

/** @throws WeirError `file-unreadable` */
export async function openRecording(options: RecordingOptions): Promise<Recording> {
  if (options.path === "-") return new LineReader(options, process.stdin, undefined);
  try {
    const { size } = await stat(options.path);
    const stream = createReadStream(options.path, { highWaterMark: CHUNK_BYTES });
    return new LineReader(options, stream, size);
  } catch (error) {
    throw unreadable(options.path, error);
  }
}

function unreadable(path: string, error: unknown): WeirError {
  return new WeirError("file-unreadable", `cannot read ${path}: ${messageOf(error)}`, {
    hint: "check the path, and that the file is whole if it is compressed",
    cause: error,
  });
}

class LineReader implements Recording {
  readonly #options: RecordingOptions;
  readonly #stream: Readable;
  readonly bytesTotal: number | undefined;
  bytesRead = 0;
  overlongLines = 0;
  #rest: Buffer = Buffer.alloc(0);
  /** Inside a line whose beginning was too long to keep. */
  #skipping = false;

  constructor(options: RecordingOptions, stream: Readable, bytesTotal: number | undefined) {
    this.#options = options;
    this.#stream = stream;
    this.bytesTotal = bytesTotal;
  }

  async *batches(): AsyncGenerator<readonly (string | Uint8Array)[]> {
    try {
      for await (const chunk of await this.#plain()) {
        const lines = this.#take(chunk as Buffer);
        if (lines.length > 0) yield lines;
      }
    } catch (error) {
      throw unreadable(this.#options.path, error);
    }
    if (this.#rest.length > 0 && !this.#skipping) yield this.#split(this.#rest);
  }

  /** The stream as it is, or decompressed. */
  async #plain(): Promise<AsyncIterable<unknown>> {
    const source = this.#counted();
    const first = await source.next();
    if (first.done) return source;
    const chunk = first.value;
    const isGzip = chunk[0] === 0x1f && chunk[1] === 0x8b;
    const whole = (async function* () {
      yield chunk;
      yield* source;
    })();
    if (!isGzip) return whole;
    const out = new PassThrough({ highWaterMark: CHUNK_BYTES });
    pipeline(whole, createGunzip({ chunkSize: CHUNK_BYTES }), out, () => {});
    return out;
  }

  async *#counted(): AsyncGenerator<Buffer> {
    for await (const chunk of this.#stream) {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk as string);
      this.bytesRead += bytes.length;
      yield bytes;
    }
  }

  /** The complete lines that a chunk brings; what is left of it waits for the next one. */
  #take(chunk: Buffer): readonly (string | Uint8Array)[] {
    const last = chunk.lastIndexOf(LINE_FEED);
    if (last < 0) {
      this.#keep(this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]));
      return [];
    }
    const head = chunk.subarray(0, last);
    let whole = this.#rest.length === 0 ? head : Buffer.concat([this.#rest, head]);
    this.#rest = Buffer.alloc(0);
    if (this.#skipping) {
      const end = whole.indexOf(LINE_FEED);
      whole = end < 0 ? Buffer.alloc(0) : whole.subarray(end + 1);
      this.#skipping = false;
    }
    this.#keep(chunk.subarray(last + 1));
    return this.#split(whole);
  }

  #keep(rest: Buffer): void {
    if (this.#skipping) return;
    if (rest.length <= this.#options.lineBytesMax) {
      this.#rest = rest;
      return;
    }
    this.#rest = Buffer.alloc(0);
    this.#skipping = true;
    this.overlongLines++;
  }

  #split(whole: Buffer): readonly (string | Uint8Array)[] {
    if (this.#options.encoding === "latin1") return this.#bounded(whole.toString("latin1").split("\n"));
    if (isUtf8(whole)) return this.#bounded(whole.toString("utf8").split("\n"));
    const lines: (string | Uint8Array)[] = [];
    for (let start = 0; start <= whole.length; ) {
      const end = whole.indexOf(LINE_FEED, start);
      const line = whole.subarray(start, end < 0 ? whole.length : end);
      lines.push(isUtf8(line) ? line.toString("utf8") : line);
      start = (end < 0 ? whole.length : end) + 1;
    }
    return this.#bounded(lines);
  }

  #bounded(lines: readonly (string | Uint8Array)[]): readonly (string | Uint8Array)[] {
    return lines.filter((line) => {
      if (line.length === 0 || line === "\r") return false;
      if (line.length <= this.#options.lineBytesMax) return true;
      this.overlongLines++;
      return false;
    });
  }
}
