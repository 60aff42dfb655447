import { maskedCrc32c } from "./level-crc.js";

/**
 * LevelDB takes a record that seems to reach beyond the end of its write-ahead log for one that was being written when
 * the process died, and an empty header for the end; it says nothing of either. So a turned bit in a length can cost
 * what was acknowledged long before, unseen. Whether there are intact records behind such a place tells the one from
 * the other.
 *
 * The log is blocks of 32 KiB; a record is CRC-32C of type and data (masked), length, type, data, and never crosses a
 * block (https://github.com/google/leveldb/blob/main/doc/log_format.md).
 */
const BLOCK_BYTES = 32_768;
const HEADER_BYTES = 7;
const TYPE_LAST = 4;

/** @returns bytes that LevelDB passes over without a word although something was written there */
export function unseenLossBytes(log: Buffer): number {
  let lost = 0;
  for (let start = 0; start < log.length; start += BLOCK_BYTES) {
    const block = log.subarray(start, start + BLOCK_BYTES);
    const rest = block.subarray(silentFrom(block));
    if (holdsRecord(rest)) lost += rest.length;
  }
  return lost;
}

/** Where LevelDB stops reading a block in silence; its end when it reads all of it, or says why it does not. */
function silentFrom(block: Buffer): number {
  let at = 0;
  while (at + HEADER_BYTES <= block.length) {
    const length = block.readUInt16LE(at + 4);
    const cut = at + HEADER_BYTES + length > block.length;
    const empty = length === 0 && block[at + 6] === 0;
    if (empty || (cut && block.length < BLOCK_BYTES)) return at;
    if (cut || !isIntact(block, at, length)) return block.length;
    at += HEADER_BYTES + length;
  }
  return block.length;
}

function holdsRecord(bytes: Buffer): boolean {
  // The first one may have all of its data and a wrong length.
  if (bytes.length >= HEADER_BYTES && isIntact(bytes, 0, bytes.length - HEADER_BYTES)) return true;
  for (let at = 1; at + HEADER_BYTES <= bytes.length; at++) {
    const length = bytes.readUInt16LE(at + 4);
    if (at + HEADER_BYTES + length <= bytes.length && isIntact(bytes, at, length)) return true;
  }
  return false;
}

function isIntact(bytes: Buffer, at: number, length: number): boolean {
  const type = bytes[at + 6]!;
  if (type < 1 || type > TYPE_LAST) return false;
  return maskedCrc32c(bytes, at + 6, at + HEADER_BYTES + length) === bytes.readUInt32LE(at);
}
