import { WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import { type CellReader, cellReader } from "./cell.js";
import { ColumnNames } from "./csv-header.js";
import { Row } from "./csv-row.js";
import type { RecordDecoder } from "./record-decoder.js";
import type { CsvSpec } from "./spec.js";
import { linesOf, textOf, withoutReturn } from "./text.js";

/**
 * Separated values: RFC 4180, and what loggers make of it.
 *
 * Rows of any length are read as far as they go: what a shorter one lacks is missing. `fieldCount` makes rows of
 * any other length bad. A row with more cells than the header has names is bad as well when the rest is not empty
 * and columns are read by name: that header is not the one of this row, and its names would be taken for the wrong
 * columns. Where such data is to be read, `columns` gives the right names, or `#3` asks for no name.
 *
 * A payload of too many rows is refused as a whole. In a stream each payload is one or more whole lines, so that a
 * quoted cell cannot go over the end of one.
 */
export class CsvDecoder implements RecordDecoder {
  readonly #spec: CsvSpec;
  readonly #isStream: boolean;
  readonly #read: CellReader;
  readonly #columns: ColumnNames;
  readonly #row: Row;

  constructor(spec: CsvSpec, isStream = false) {
    this.#spec = spec;
    this.#isStream = isStream;
    this.#read = cellReader(spec);
    this.#columns = new ColumnNames(spec.columns, spec.header);
    this.#row = new Row(spec);
  }

  decode(payload: Uint8Array | string, each: (record: unknown) => void, bad: (detail: string) => void): void {
    const text = textOf(payload, this.#spec.encoding, this.#spec.maxBytes);
    if (!this.#isStream) this.#columns.reset();
    if (!text.includes("\n")) {
      const line = withoutReturn(text);
      if (line !== "") this.#take(line, each, bad);
      else if (!this.#isStream) bad("the payload is empty");
      return;
    }
    const lines = this.#lines(text);
    if (lines.length - (this.#spec.header ? 1 : 0) > LIMITS.payloadReadingsMax) {
      throw new WeirError(
        "decode-too-large",
        `the payload has more than ${LIMITS.payloadReadingsMax} rows, too many for one`,
        { hint: "send fewer readings in one payload" },
      );
    }
    if (lines.length === 0 && !this.#isStream) bad("the payload is empty");
    for (const line of lines) this.#take(line, each, bad);
  }

  /** The rows of a text; one of them may be several lines where quotes are around a line break. */
  #lines(text: string): readonly string[] {
    const { quote } = this.#spec;
    if (quote === "" || !text.includes(quote)) return linesOf(text);
    const lines: string[] = [];
    for (let at = 0; at < text.length; ) {
      const end = this.#row.endOfRow(text, at);
      const line = withoutReturn(text.slice(at, end));
      if (line !== "") lines.push(line);
      at = end + 1;
    }
    return lines;
  }

  #take(line: string, each: (record: unknown) => void, bad: (detail: string) => void): void {
    const row = this.#row;
    const wrong = row.read(line);
    if (wrong !== undefined) {
      bad(wrong);
      return;
    }
    if (row.length === 0) return;
    const columns = this.#columns;
    if (columns.mayBeHeader(line) && columns.takeHeader(line, row.cells())) return;
    const { fieldCount } = this.#spec;
    if (fieldCount !== undefined && row.length !== fieldCount) {
      bad(`the row has ${row.length} columns, not ${fieldCount}`);
    } else if (!columns.ready) {
      bad(`there is no header yet that names ${columns.wantedNames.join(" or ")}`);
    } else if (row.length > columns.countMax && this.#hasCellsFrom(columns.countMax)) {
      bad(`the row has ${row.length} columns, the header names ${columns.countMax}`);
    } else each(row);
  }

  #hasCellsFrom(index: number): boolean {
    for (let i = index; i < this.#row.length; i++) if (this.#row.cell(i) !== "") return true;
    return false;
  }

  getter(from: string): (record: unknown) => unknown {
    const read = this.#read;
    return this.#columns.reader(from, (record, index) => read((record as Row).cell(index)));
  }

  /** Cells by name, by `#n` where they have none, all of them text; what is absent is not in it. */
  view(record: unknown): unknown {
    const { names } = this.#columns;
    const view = new Map<string, string>();
    for (const [index, cell] of (record as Row).cells().entries()) {
      const value = this.#read(cell);
      const name = names[index] ?? `#${index + 1}`;
      if (value !== undefined && !view.has(name)) view.set(name, value);
    }
    return view;
  }

  openStream(): RecordDecoder {
    return new CsvDecoder(this.#spec, true);
  }
}
