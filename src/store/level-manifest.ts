import { maskedCrc32c } from "./level-crc.js";

/**
 * Which files belong to a LevelDB: others in its folder may be what a crash has left of one that was being written.
 *
 * The manifest is a log of changes, in the format of the write-ahead log (level-wal.ts): tagged numbers and texts, of
 * which only the tables that come and go matter here, and the write-ahead log (LevelDB's db/version_edit.cc).
 */
const BLOCK_BYTES = 32_768;
const HEADER_BYTES = 7;
const FULL = 1;
const FIRST = 2;
const LAST = 4;

const COMPARATOR = 1;
const LOG_NUMBER = 2;
/** The next file, the last write, and a second log, which LevelDB no longer uses. */
const OTHER_NUMBERS: readonly number[] = [3, 4, 9];
const COMPACT_POINTER = 5;
const DELETED_FILE = 6;
const NEW_FILE = 7;

/** Files by the numbers that they are named by. */
export interface KnownFiles {
  readonly tables: ReadonlySet<number>;
  /** The oldest write-ahead log that is not in the tables; 0 in a database that was never opened to its end. */
  readonly log: number;
}

interface Known extends KnownFiles {
  readonly tables: Set<number>;
  log: number;
}

/** @returns what is known up to where the manifest can be read: LevelDB says itself what is wrong with it */
export function filesIn(manifest: Buffer): KnownFiles {
  const known: Known = { tables: new Set(), log: 0 };
  for (const record of recordsOf(manifest)) {
    try {
      apply(record, known);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      break;
    }
  }
  return known;
}

function* recordsOf(log: Buffer): Generator<Buffer> {
  let parts: Buffer[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= log.length) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (left < HEADER_BYTES) {
      at += left;
      continue;
    }
    const end = at + HEADER_BYTES + log.readUInt16LE(at + 4);
    if (end > log.length || maskedCrc32c(log, at + 6, end) !== log.readUInt32LE(at)) return;
    const type = log[at + 6]!;
    if (type === FULL || type === FIRST) parts = [];
    parts.push(log.subarray(at + HEADER_BYTES, end));
    if (type === FULL || type === LAST) yield Buffer.concat(parts);
    at = end;
  }
}

function apply(record: Buffer, known: Known): void {
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = record.readUInt8(at++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const skipText = () => {
    const length = number();
    at += length;
  };
  while (at < record.length) {
    const tag = number();
    if (tag === COMPARATOR) skipText();
    else if (tag === LOG_NUMBER) known.log = number();
    else if (OTHER_NUMBERS.includes(tag)) number();
    else if (tag === COMPACT_POINTER) {
      number();
      skipText();
    } else if (tag === DELETED_FILE) {
      number();
      known.tables.delete(number());
    } else if (tag === NEW_FILE) {
      number();
      known.tables.add(number());
      number();
      skipText();
      skipText();
    } else throw new RangeError(`there is no tag ${tag}`);
  }
}
