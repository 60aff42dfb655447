import { WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import type { RecordDecoder } from "./record-decoder.js";
import type { CsvSpec } from "./spec.js";
import { BLANKS, type CellReader, cellReader, linesOf, textOf } from "./text.js";

/**
 * Separated values (RFC 4180, and what loggers make of it). A record is the array of a row's cells.
 *
 * Columns are found by position; names only say which. So a header of more or fewer names than a row has cells
 * does no harm: cells without a name can be read as `#n`, names without a cell are missing. Where the number of
 * cells is known, `fieldCount` turns other rows into bad ones. A header that is repeated in a stream is passed over.
 *
 * In a stream each payload is one or more whole lines; a quoted cell cannot run over the end of one.
 */
export class CsvDecoder implements RecordDecoder {
  readonly #spec: CsvSpec;
  readonly #isStream: boolean;
  readonly #read: CellReader;
  readonly #split: (line: string) => string[] | undefined;
  readonly #wanted: { readonly name: string; index: number }[] = [];
  #names: readonly string[];
  #header: string | undefined;

  constructor(spec: CsvSpec, isStream = false) {
    this.#spec = spec;
    this.#isStream = isStream;
    this.#read = cellReader(spec);
    this.#split = splitter(spec);
    this.#names = spec.columns ?? [];
  }

  decode(payload: Uint8Array | string, each: (record: unknown) => void, bad: (detail: string) => void): void {
    const lines = this.#lines(textOf(payload, this.#spec.encoding, this.#spec.maxBytes));
    if (!this.#isStream) this.#header = undefined;
    let rows = 0;
    for (const line of lines) {
      if (this.#spec.header && this.#isHeader(line)) continue;
      if (++rows > LIMITS.payloadReadingsMax) {
        bad(`there are more than ${LIMITS.payloadReadingsMax} rows; the rest is left out`);
        return;
      }
      const cells = this.#split(line);
      if (cells === undefined) bad("a quote is not closed");
      else if (this.#spec.fieldCount !== undefined && cells.length !== this.#spec.fieldCount) {
        bad(`the row has ${cells.length} columns, not ${this.#spec.fieldCount}`);
      } else each(cells);
    }
  }

  /** Lines of the payload; a quoted cell may contain a line break. */
  #lines(text: string): readonly string[] {
    const lines = linesOf(text);
    const quote = this.#spec.quote;
    if (quote === "" || lines.length < 2 || !text.includes(quote)) return lines;
    const joined: string[] = [];
    let open: string | undefined;
    for (const line of lines) {
      const whole: string = open === undefined ? line : `${open}\n${line}`;
      const quotes = whole.split(quote).length - 1;
      open = quotes % 2 === 1 ? whole : undefined;
      if (open === undefined) joined.push(whole);
    }
    if (open !== undefined) joined.push(open);
    return joined;
  }

  #isHeader(line: string): boolean {
    if (this.#header !== undefined) return line === this.#header;
    this.#header = line;
    this.#names = (this.#split(line) ?? []).map((name) => name.trim());
    for (const column of this.#wanted) column.index = this.#names.indexOf(column.name);
    return true;
  }

  getter(from: string): (record: unknown) => unknown {
    const read = this.#read;
    const numbered = /^#([1-9]\d{0,3})$/.exec(from);
    if (numbered !== null) {
      const index = Number(numbered[1]) - 1;
      return (record) => read((record as readonly string[])[index]);
    }
    const column = { name: from, index: this.#names.indexOf(from) };
    if (column.index < 0 && !this.#spec.header) {
      throw new WeirError("bad-path", `there is no column "${from}"`, {
        hint:
          this.#names.length > 0
            ? `the columns are ${this.#names.join(", ")}; "#1" is the first one`
            : `name the columns with "columns" or "header: true", or write "#1" for the first one`,
      });
    }
    this.#wanted.push(column);
    return (record) => read((record as readonly string[])[column.index]);
  }

  view(record: unknown): unknown {
    const cells = record as readonly string[];
    const entries = cells.map(
      (cell, i) => [this.#names[i] ?? `#${i + 1}`, this.#read(cell) ?? null] as const,
    );
    return Object.fromEntries(entries);
  }

  openStream(): RecordDecoder {
    return new CsvDecoder(this.#spec, true);
  }
}

/** Splits a row into cells; undefined when a quote is left open. */
function splitter(spec: CsvSpec): (line: string) => string[] | undefined {
  const { quote, separator } = spec;
  const plain =
    separator === "whitespace"
      ? (line: string) => line.trim().split(BLANKS)
      : (line: string) => line.split(separator);
  if (quote === "") return plain;
  return (line) => (line.includes(quote) ? splitQuoted(line, separator, quote) : plain(line));
}

function splitQuoted(line: string, separator: string, quote: string): string[] | undefined {
  const isSeparator = (char: string) =>
    separator === "whitespace" ? char === " " || char === "\t" : char === separator;
  const cells: string[] = [];
  let at = 0;
  for (;;) {
    let cell = "";
    if (line[at] === quote) {
      const end = closingQuote(line, at + 1, quote);
      if (end < 0) return undefined;
      cell = line.slice(at + 1, end).replaceAll(quote + quote, quote);
      at = end + 1;
    }
    const rest = at;
    while (at < line.length && !isSeparator(line[at]!)) at++;
    cells.push(cell + line.slice(rest, at));
    if (at >= line.length) return cells;
    at++;
    while (separator === "whitespace" && at < line.length && isSeparator(line[at]!)) at++;
  }
}

function closingQuote(line: string, from: number, quote: string): number {
  for (let at = line.indexOf(quote, from); at >= 0; at = line.indexOf(quote, at + 2)) {
    if (line[at + 1] !== quote) return at;
  }
  return -1;
}
