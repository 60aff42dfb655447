import { constants } from "node:fs";
import { access, type FileHandle, open, rename, stat, unlink } from "node:fs/promises";
import { constants as osConstants } from "node:os";
import { dirname } from "node:path";
import { WeirError } from "../model/errors.js";

const FILE_MODE = 0o640;
const SCAN_BYTES = 65_536;
/** A last line without an end is cut off up to this length; a longer one only where it is a summary's beginning. */
const TORN_LINE_BYTES_MAX = 1_048_576;
/** Room for a summary's id, whose parts are all bounded, and what comes behind it. */
const BEGINNING_BYTES = 4_096;
/** As `canonicalJson` begins. */
const SUMMARY = /^\{"id":"(?:[^"\\]|\\.)*","revision":\d+,"final":/;
const NEWLINE = 0x0a;
const BRACE = 0x7b;

/** A text file that is appended to line by line, and how much of it is known to be on the disk. */
export class AppendFile {
  /** Length of what is synced; a later byte is an unconfirmed one. */
  confirmedBytes: number;
  private readonly handle: FileHandle;
  private readonly device: number;
  private readonly inode: number;

  private constructor(handle: FileHandle, bytes: number, identity: { dev: number; ino: number }) {
    this.handle = handle;
    this.confirmedBytes = bytes;
    this.device = identity.dev;
    this.inode = identity.ino;
  }

  /**
   * Opens or creates the file (mode 0640) and cuts off a last line without an end. The file's name is synced in
   * its folder.
   * @param failed the same file as it was open before a failure: what it had not confirmed is cut off, too
   */
  static async open(
    path: string,
    failed: AppendFile | undefined,
  ): Promise<{ readonly file: AppendFile; readonly cutBytes: number }> {
    await refuseSpecial(path);
    const { O_RDWR, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
    const handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK, FILE_MODE);
    try {
      const found = await handle.stat();
      const same = failed?.device === found.dev && failed.inode === found.ino;
      const sizeMax = same ? failed.confirmedBytes : found.size;
      const keptBytes = Math.min(sizeMax, await lastLineEnd(handle, path, found.size));
      if (keptBytes < found.size) await handle.truncate(keptBytes);
      await handle.sync();
      await syncFolder(path);
      return { file: new AppendFile(handle, keptBytes, found), cutBytes: found.size - keptBytes };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Whether the name still leads to this file: someone may have moved or removed it. */
  async isAt(path: string): Promise<boolean> {
    try {
      const found = await stat(path);
      return found.dev === this.device && found.ino === this.inode;
    } catch (error) {
      if (errno(error) === "ENOENT") return false;
      throw error;
    }
  }

  /** Appends and syncs. After a rejection the file must be closed and opened again. */
  async append(text: Buffer): Promise<void> {
    await this.handle.appendFile(text);
    await this.handle.datasync();
    this.confirmedBytes += text.length;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/**
 * Whether the file could be opened to append to it, without creating it.
 * @throws what `AppendFile.open` would, as far as that can be told
 */
export async function checkAppendable(path: string): Promise<void> {
  const { R_OK, W_OK, X_OK } = constants;
  await refuseSpecial(path);
  const there = await exists(path);
  if (there) await access(path, R_OK | W_OK);
  // The folder is opened to sync a name in it.
  await access(`${dirname(path)}/`, there ? R_OK | X_OK : R_OK | W_OK | X_OK);
}

/**
 * Moves `path` to `path.1`, what was there to `path.2`, and so on. Only the names up to the first free one move, so
 * a crash in the middle of an earlier rotation costs nothing.
 * @param keep how many numbered files there may be; the oldest beyond that is removed
 * @returns the path that was removed, if one was
 */
export async function rotate(path: string, keep: number): Promise<string | undefined> {
  let free = 1;
  while (free <= keep && (await exists(`${path}.${free}`))) free++;
  const full = free > keep;
  const removed = keep === 0 ? path : `${path}.${keep}`;
  if (full) await unlink(removed);
  for (let n = Math.min(free, keep); n >= 1; n--) {
    await rename(n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`);
  }
  await syncFolder(path);
  return full ? removed : undefined;
}

/** A pipe would block the open for ever, a device would swallow the lines. */
async function refuseSpecial(path: string): Promise<void> {
  if (!(await exists(path)) || (await stat(path)).isFile()) return;
  throw new WeirError("file-target-special", `${path} is not an ordinary file`, {
    retryable: true,
    hint: "give the target another path",
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errno(error) === "ENOENT") return false;
    throw error;
  }
}

/**
 * Offset behind the last newline; 0 where there is none. Reads piece by piece, however long the last line is: a summary
 * that counts many texts has several megabytes.
 * @throws WeirError `file-target-foreign` where what is behind it is long and not ours to cut off
 */
async function lastLineEnd(handle: FileHandle, path: string, size: number): Promise<number> {
  const chunk = Buffer.alloc(Math.min(SCAN_BYTES, size));
  let lineEnd = 0;
  let isLong = false;
  for (let end = size; end > 0; end -= chunk.length) {
    const start = Math.max(0, end - chunk.length);
    const { bytesRead } = await handle.read(chunk, 0, end - start, start);
    lineEnd = start + chunk.subarray(0, bytesRead).lastIndexOf(NEWLINE) + 1;
    if (lineEnd > start) break;
    if (isLong || size - start < TORN_LINE_BYTES_MAX) continue;
    isLong = true;
    // Nobody has to read a large foreign file to its beginning, over and over again.
    if ((await beginning(handle, 0))[0] !== BRACE) throw foreign(path);
  }
  if (isLong && !isOurs(await beginning(handle, lineEnd))) throw foreign(path);
  return lineEnd;
}

async function beginning(handle: FileHandle, at: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(BEGINNING_BYTES), 0, BEGINNING_BYTES, at);
  return buffer.subarray(0, bytesRead);
}

/** A power cut can leave zeros where the file had grown and its pages were not written. */
function isOurs(line: Buffer): boolean {
  return SUMMARY.test(line.toString("utf8")) || line.every((byte) => byte === 0);
}

function foreign(path: string): WeirError {
  return new WeirError("file-target-foreign", `${path} does not hold lines of JSON`, {
    retryable: true,
    hint: "move the file away, or give the target another path",
  });
}

/** Makes a created or renamed name survive a power cut. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The system's error code, such as `ENOSPC`. Node.js has no name for EDQUOT, only its number. */
export function errno(error: unknown): string | undefined {
  if (error instanceof Error && "errno" in error && error.errno === -osConstants.errno.EDQUOT)
    return "EDQUOT";
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
