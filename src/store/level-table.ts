import { maskedCrc32c } from "./level-crc.js";

/**
 * Whether a table of LevelDB is what was written.
 *
 * LevelDB has a checksum for every block of a table, and `classic-level` no way to ask for it to be looked at. It reads
 * a damaged block as it is: keys and values come out wrong, or not at all, or the process ends by a failed assertion,
 * again at every start. So whoever opens a database looks first (level-disk.ts).
 *
 * A table is data blocks, filter, an index of the filter, an index of the data blocks, and a footer that says where the
 * two indices are; a block is followed by one byte for its compression and four of checksum
 * (https://github.com/google/leveldb/blob/main/doc/table_format.md).
 */
const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
const MAGIC_LOW = 0x8b80fb57;
const MAGIC_HIGH = 0xdb477524;
const SNAPPY = 1;

/** @returns what is wrong with it; undefined when nothing is */
export function damageOfTable(table: Buffer): string | undefined {
  try {
    verify(table);
    return undefined;
  } catch (error) {
    // Reading behind the end of what is cut.
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

function verify(table: Buffer): void {
  if (table.length < FOOTER_BYTES) throw new RangeError("it is cut");
  const end = table.length;
  if (table.readUInt32LE(end - 8) !== MAGIC_LOW || table.readUInt32LE(end - 4) !== MAGIC_HIGH) {
    throw new RangeError("its end is not the end of a table");
  }
  const footer = new Cursor(table, end - FOOTER_BYTES);
  const filters = footer.handle();
  const index = footer.handle();
  for (const handle of [...handlesIn(block(table, filters)), ...handlesIn(block(table, index))]) {
    check(table, handle);
  }
}

/** Where a block is. */
interface Handle {
  readonly offset: number;
  readonly size: number;
}

function check(table: Buffer, { offset, size }: Handle): void {
  const end = offset + size + 1;
  if (maskedCrc32c(table, offset, end) !== table.readUInt32LE(end)) {
    throw new RangeError(`the block at ${offset} has changed`);
  }
}

/** The content of an intact block. */
function block(table: Buffer, handle: Handle): Buffer {
  if (handle.offset + handle.size + TRAILER_BYTES > table.length) throw new RangeError("it is cut");
  check(table, handle);
  const content = table.subarray(handle.offset, handle.offset + handle.size);
  return table[handle.offset + handle.size] === SNAPPY ? unpacked(content) : content;
}

/** The values of an index: entries share the beginnings of their keys, and a list of restarts follows them. */
function handlesIn(index: Buffer): Handle[] {
  const restarts = index.readUInt32LE(index.length - 4);
  const end = index.length - 4 * (restarts + 1);
  const handles: Handle[] = [];
  const cursor = new Cursor(index, 0);
  while (cursor.at < end) {
    cursor.varint();
    const keyBytes = cursor.varint();
    const valueBytes = cursor.varint();
    cursor.at += keyBytes;
    const next = cursor.at + valueBytes;
    handles.push(cursor.handle());
    cursor.at = next;
  }
  return handles;
}

class Cursor {
  at: number;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#bytes.readUInt8(this.at++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  handle(): Handle {
    return { offset: this.varint(), size: this.varint() };
  }
}

/** Snappy (https://github.com/google/snappy/blob/main/format_description.txt): runs of bytes, and copies of earlier ones. */
function unpacked(packed: Buffer): Buffer {
  const cursor = new Cursor(packed, 0);
  const out = Buffer.alloc(cursor.varint());
  let length = 0;
  while (cursor.at < packed.length) {
    const tag = packed.readUInt8(cursor.at++);
    const kind = tag & 3;
    if (kind === 0) {
      let run = (tag >> 2) + 1;
      if (run > 60) {
        const bytes = run - 60;
        run = packed.readUIntLE(cursor.at, bytes) + 1;
        cursor.at += bytes;
      }
      packed.copy(out, length, cursor.at, cursor.at + run);
      cursor.at += run;
      length += run;
      continue;
    }
    const bytes = kind === 3 ? 4 : kind;
    const low = packed.readUIntLE(cursor.at, bytes);
    cursor.at += bytes;
    const distance = kind === 1 ? low + (tag >> 5) * 0x100 : low;
    const run = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    // A copy may overlap what it makes.
    for (let i = 0; i < run; i++, length++) out[length] = out[length - distance]!;
  }
  return out;
}
