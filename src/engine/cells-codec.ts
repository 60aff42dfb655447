import { type Cells, type Extra, newCells, setExtra } from "../aggregate/cells.js";
import { type ByteReader, type ByteWriter, CorruptRecord } from "../model/bytes.js";

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
const COUNTS = 3;

function writeExtra(writer: ByteWriter, extra: Extra): void {
  if (typeof extra === "string") {
    writer.byte(TEXT);
    writer.text(extra);
  } else if (Array.isArray(extra)) {
    writer.byte(NUMBERS);
    writer.varint(extra.length);
    for (const x of extra) writer.number(x);
  } else if (extra instanceof Map) {
    writer.byte(COUNTS);
    writer.varint(extra.size);
    for (const [text, count] of extra) {
      writer.text(text);
      writer.varint(count);
    }
  } else {
    writer.byte(BYTES);
    writer.varint(extra.length);
    writer.bytes(extra);
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
    default:
      throw new CorruptRecord("the state of an accumulator is of a kind not known here");
  }
}
