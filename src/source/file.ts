/**
 * Recorded payloads from a file or from standard input.
 *
 * Gzip is recognised by its first bytes, not by a name. Payloads come in batches, so that the reader can work
 * through one without waiting; what is in memory is one chunk, one batch and the beginning of the next line, whatever
 * the size of the file. An input that breaks off gives everything it has before the error.
 */

import { constants } from "node:fs";
import { access, type FileHandle, open, stat } from "node:fs/promises";
import { messageOf, WeirError } from "../model/errors.js";
import { gunzip } from "./gunzip.js";
import { type Line, LineBatches } from "./line-batches.js";

export interface Recording {
  /**
   * Batches of payloads, to be asked for once. Text, or bytes where a decoder has to refuse them: a line that is not
   * valid UTF-8, and the first `lineBytesMax + 1` bytes of one that is longer. Empty lines are left out.
   * @throws WeirError `file-unreadable`, `file-truncated`, `file-corrupt`
   */
  batches(): AsyncGenerator<readonly Line[]>;
  /** Bytes of the file read so far, before decompression. */
  readonly bytesRead: number;
  /** Size of the file; undefined where it is not known, as of a pipe. */
  readonly bytesTotal: number | undefined;
  /** Payloads that were longer than `lineBytesMax`. */
  readonly overlongLines: number;
}

export interface RecordingOptions {
  /** `-` for standard input. */
  readonly path: string;
  readonly encoding: "utf-8" | "latin1";
  /** Longest line, or longest file where the file is one payload. */
  readonly lineBytesMax: number;
  /** See `LineBatchOptions.keepEmpty`. */
  readonly keepEmpty?: boolean;
  /** `whole`: the file is one payload, over however many lines. Default: `lines`. */
  readonly framing?: "lines" | "whole";
  /** What stands for `-`; the process's own by default. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

const CHUNK_BYTES = 256 * 1024;

/** @throws WeirError `file-unreadable` */
export async function openRecording(options: RecordingOptions): Promise<Recording> {
  const { path } = options;
  if (path === "-") return new FileRecording(options, options.stdin ?? process.stdin, undefined);
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw new WeirError("file-unreadable", `${path} is a folder`, FOLDER);
    await access(path, constants.R_OK);
    // Pipes and the files of /proc say that they are empty.
    const bytesTotal = status.isFile() && status.size > 0 ? status.size : undefined;
    return new FileRecording(options, chunksOf(path), bytesTotal);
  } catch (error) {
    throw explained(path, error);
  }
}

class FileRecording implements Recording {
  readonly #options: RecordingOptions;
  readonly #chunks: AsyncIterable<Uint8Array>;
  readonly #lines: LineBatches;
  readonly bytesTotal: number | undefined;
  bytesRead = 0;

  constructor(options: RecordingOptions, chunks: AsyncIterable<Uint8Array>, bytesTotal: number | undefined) {
    this.#options = options;
    this.#chunks = chunks;
    this.#lines = new LineBatches(options);
    this.bytesTotal = bytesTotal;
  }

  get overlongLines(): number {
    return this.#lines.overlongLines;
  }

  async *batches(): AsyncGenerator<readonly Line[]> {
    const whole = this.#options.framing === "whole";
    try {
      const bytes = await decompressed(this.#counted());
      yield* whole ? this.#onePayload(bytes) : this.#linesOf(bytes);
    } catch (error) {
      // The line that was being read when the input broke off is not whole, and is not handed out.
      throw explained(this.#options.path, error);
    }
  }

  async *#linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Line[]> {
    for await (const chunk of bytes) {
      const lines = this.#lines.push(chunk);
      if (lines.length > 0) yield lines;
    }
    const lines = this.#lines.end();
    if (lines.length > 0) yield lines;
  }

  async *#onePayload(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Line[]> {
    const kept: Uint8Array[] = [];
    let room = this.#options.lineBytesMax + 1;
    for await (const chunk of bytes) {
      const piece = Uint8Array.from(chunk.subarray(0, room));
      kept.push(piece);
      room -= piece.length;
      if (room === 0) {
        this.#lines.overlongLines++;
        break;
      }
    }
    yield [Buffer.concat(kept)];
  }

  async *#counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#chunks) {
      this.bytesRead += chunk.length;
      yield chunk;
    }
  }
}

/** Chunks in one buffer that is used again: each is only valid until the next is asked for. */
async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  const handle: FileHandle = await open(path, "r");
  try {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** The bytes as they are, or decompressed where they begin as gzip does. */
async function decompressed(chunks: AsyncGenerator<Uint8Array>): Promise<AsyncGenerator<Uint8Array>> {
  let head: Uint8Array = new Uint8Array(0);
  // A pipe may give single bytes.
  while (head.length < 2) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  const all = withHead(head, chunks);
  return head[0] === 0x1f && head[1] === 0x8b ? gunzip(all) : all;
}

async function* withHead(head: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield head;
    yield* rest;
  } finally {
    // Where the reader leaves before `rest` has begun to be delegated to.
    await rest.return(undefined);
  }
}

const FOLDER = { hint: "name the files in it" };

/** Errors of the file system and of zlib, with what can be done about them. */
function explained(path: string, error: unknown): WeirError {
  if (error instanceof WeirError) return error;
  const name = path === "-" ? "standard input" : path;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const cause = error;
  if (code === "Z_BUF_ERROR") {
    return new WeirError("file-truncated", `${name} ends in the middle of its compressed data`, {
      hint: "copy it again; what it does hold has been read",
      cause,
    });
  }
  if (code.startsWith("Z_")) {
    return new WeirError("file-corrupt", `the compressed data of ${name} is damaged: ${messageOf(error)}`, {
      hint: "copy it again, or look at it with gzip -t",
      cause,
    });
  }
  const message = `cannot read ${name}: ${messageOf(error)}`;
  return new WeirError("file-unreadable", message, { hint: HINTS[code] ?? "check the path", cause });
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file; check the path",
  EACCES: "run it as a user who may read the file",
  EPERM: "run it as a user who may read the file",
  EISDIR: FOLDER.hint,
  EIO: "the disk or the network drive reports an error; copy the file and try the copy",
};
