import { type Cells, type Extra, newCells, setExtra } from "../aggregate/cells.js";
import { type ByteReader, type ByteWriter, CorruptRecord } from "../model/bytes.js";
import type { FieldValue } from "../model/reading.js";

/** How a slice's cells are stored: most of them are zero or small whole numbers, which take a byte or two. */
export function writeCells(writer: ByteWriter, { numbers, base, extras }: Cells, count: number): void {
  for (let i = base; i < base + count; i++) writer.number(numbers[i]!);
  writer.varint(extras?.size ?? 0);
  for (const [at, extra] of extras ?? []) {
    writer.varint(at);
    writeExtra(writer, extra);
  }
}

const TEXT = 0;
const NUMBERS = 1;
const BYTES = 2;
/** By text. */
const COUNTS = 3;
/** By number. */
const NUMBER_COUNTS = 4;

function writeExtra(writer: ByteWriter, extra: Extra): void {
  if (typeof extra === "string") {
    writer.byte(TEXT);
    writer.text(extra);
  } else if (Array.isArray(extra)) {
    writer.byte(NUMBERS);
    writer.varint(extra.length);
    for (const x of extra) writer.number(x);
  } else if (extra instanceof Map) {
    writeCounts(writer, extra);
  } else {
    writer.byte(BYTES);
    writer.varint(extra.length);
    writer.bytes(extra);
  }
}

/** Of one field, whose values are either all texts or all numbers. */
function writeCounts(writer: ByteWriter, counts: ReadonlyMap<FieldValue, number>): void {
  const [first] = counts.keys();
  writer.byte(typeof first === "number" ? NUMBER_COUNTS : COUNTS);
  writer.varint(counts.size);
  for (const [value, count] of counts) {
    if (typeof value === "number") writer.number(value);
    else writer.text(value);
    writer.varint(count);
  }
}

/** @throws CorruptRecord */
export function readCells(reader: ByteReader, count: number, cells = newCells(count)): Cells {
  for (let i = 0; i < count; i++) cells.numbers[cells.base + i] = reader.number();
  for (let n = reader.count(); n > 0; n--) setExtra(cells, reader.varint(), readExtra(reader));
  return cells;
}

function readExtra(reader: ByteReader): Extra {
  switch (reader.byte()) {
    case TEXT:
      return reader.text();
    case NUMBERS:
      return Array.from({ length: reader.count() }, () => reader.number());
    case BYTES:
      return reader.bytes(reader.count()).slice();
    case COUNTS:
      return new Map(Array.from({ length: reader.count() }, () => [reader.text(), reader.varint()]));
    case NUMBER_COUNTS:
      return new Map(Array.from({ length: reader.count() }, () => [reader.number(), reader.varint()]));
    default:
      throw new CorruptRecord("the state of an accumulator is of a kind not known here");
  }
}
