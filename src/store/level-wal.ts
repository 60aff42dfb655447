import { maskedCrc32c } from "./level-crc.js";

/**
 * Reading a write-ahead log of LevelDB as LevelDB does, to see what it will pass over, and whether anybody misses it.
 *
 * A batch is synced before the next one is written. So where a batch begins behind a place that cannot be read, what was
 * at that place had been acknowledged. Where none does, it may have been a write that a power cut tore: then nothing of
 * it was promised. Pieces of a batch behind the place say nothing; a file system may write its blocks in any order.
 *
 * LevelDB goes on with the next block of 32 KiB in either case, and says what it drops in a file of its own, or nothing
 * where a record seems to reach beyond the log's end or a header is empty.
 *
 * The log is such blocks; a record is CRC-32C of type and data (masked), length, type, data, and never crosses a block
 * (https://github.com/google/leveldb/blob/main/doc/log_format.md).
 */
const BLOCK_BYTES = 32_768;
const HEADER_BYTES = 7;
const FULL = 1;
const FIRST = 2;
const LAST = 4;

/** The first place that cannot be read. */
export interface Flaw {
  /** From the log's beginning. */
  readonly at: number;
  /** Whether it looks like the log's end at an earlier time: a record that was being written, or zeros. */
  readonly isEnd: boolean;
  /** Whether a batch begins behind it, or nothing of its own data is missing. */
  isFollowed: boolean;
}

export interface WriteAheadLog {
  readonly flaw: Flaw | undefined;
  /** Whether a batch begins anywhere. */
  readonly hasBatches: boolean;
}

export function readLog(log: Buffer): WriteAheadLog {
  let flaw: Flaw | undefined;
  let hasBatches = false;
  /** Where the batch began of which the end has not come yet. */
  let open: number | undefined;
  for (let start = 0; start < log.length; start += BLOCK_BYTES) {
    const end = Math.min(log.length, start + BLOCK_BYTES);
    let at = start;
    for (; at + HEADER_BYTES <= end; at += HEADER_BYTES + log.readUInt16LE(at + 4)) {
      const type = typeOfRecord(log, at, end);
      if (type === undefined) break;
      const begins = type === FULL || type === FIRST;
      if (begins === (open !== undefined)) flaw ??= { at: open ?? at, isEnd: false, isFollowed: false };
      if (begins) {
        hasBatches = true;
        if (flaw !== undefined) flaw.isFollowed = true;
      }
      if (type === FIRST) open = at;
      else if (type === FULL || type === LAST) open = undefined;
    }
    if (at === end || (at + HEADER_BYTES > end && end === start + BLOCK_BYTES)) continue;
    flaw ??= { at: open ?? at, isEnd: looksLikeEnd(log, at, end), isFollowed: false };
    open = undefined;
    if (beginsBehind(log, at, end)) flaw.isFollowed = true;
  }
  if (open !== undefined) flaw ??= { at: open, isEnd: true, isFollowed: false };
  return { flaw, hasBatches };
}

/** Undefined where there is no intact record. */
function typeOfRecord(log: Buffer, at: number, end: number): number | undefined {
  const behind = at + HEADER_BYTES + log.readUInt16LE(at + 4);
  return behind <= end && isIntact(log, at, behind) ? log[at + 6]! : undefined;
}

function isIntact(log: Buffer, at: number, behind: number): boolean {
  const type = log[at + 6]!;
  if (type < FULL || type > LAST) return false;
  return maskedCrc32c(log, at + 6, behind) === log.readUInt32LE(at);
}

function looksLikeEnd(log: Buffer, at: number, end: number): boolean {
  if (log.subarray(at).every((byte) => byte === 0)) return true;
  if (end < log.length) return false;
  return at + HEADER_BYTES > end || at + HEADER_BYTES + log.readUInt16LE(at + 4) > end;
}

/** Whether a batch begins in the rest of a block, of which the first record cannot be read. */
function beginsBehind(log: Buffer, from: number, end: number): boolean {
  // The first one may have all of its data and a wrong length.
  if (end === log.length && from + HEADER_BYTES <= end && isIntact(log, from, end)) return true;
  for (let at = from + 1; at + HEADER_BYTES <= end; at++) {
    const type = log[at + 6]!;
    if ((type === FULL || type === FIRST) && typeOfRecord(log, at, end) !== undefined) return true;
  }
  return false;
}
