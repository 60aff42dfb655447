import { LIMITS } from "../model/limits.js";
import { isBlank } from "./text.js";

export interface RowShape {
  /** One character, or `whitespace` for runs of blanks and tabs. */
  readonly separator: string;
  /** One character, or empty for none. */
  readonly quote: string;
}

/**
 * One row of separated values: a line and where its cells begin and end. Cells are cut out when they are asked for,
 * as most profiles want few of them; the same object then serves the next row, so that a row costs no memory.
 *
 * Quotes are those of RFC 4180: a cell that begins with a quote ends with one, a doubled one inside stands for
 * itself, and anything between the closing quote and the separator is kept. Elsewhere a quote is a character as any
 * other. Blanks around unquoted cells are not part of them.
 */
export class Row {
  readonly #separator: string;
  readonly #whitespace: boolean;
  readonly #quote: string;
  readonly #quoteCode: number;
  #line = "";
  #count = 0;
  /** Where cells begin and end. Only the first `#count` entries are of this row. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** Cells that are not a plain piece of the line, by index. */
  #texts: string[] | undefined;

  constructor(shape: RowShape) {
    this.#separator = shape.separator;
    this.#whitespace = shape.separator === "whitespace";
    this.#quote = shape.quote;
    this.#quoteCode = shape.quote === "" ? Number.NaN : shape.quote.charCodeAt(0);
  }

  get length(): number {
    return this.#count;
  }

  /**
   * Takes a line apart.
   * @returns what is wrong with it, or undefined
   */
  read(line: string): string | undefined {
    this.#line = line;
    this.#count = 0;
    this.#texts = undefined;
    let at = this.#whitespace ? this.#skipBlanks(0) : 0;
    if (at === line.length) return undefined;
    for (;;) {
      if (this.#count === LIMITS.rowColumnsMax) {
        return `the row has more than ${LIMITS.rowColumnsMax} columns`;
      }
      let end: number;
      if (line.charCodeAt(at) === this.#quoteCode) {
        end = this.#readQuoted(at + 1);
        if (end < 0) return "a quote is not closed";
      } else {
        end = this.#separatorFrom(at);
        this.#push(at, end);
      }
      if (end === line.length) return undefined;
      at = end + 1;
      if (!this.#whitespace) continue;
      at = this.#skipBlanks(at);
      if (at === line.length) return undefined;
    }
  }

  /** The text of a cell, counted from 0; undefined where the row ends before it. */
  cell(index: number): string | undefined {
    if (!(index >= 0 && index < this.#count)) return undefined;
    const text = this.#texts?.[index];
    if (text !== undefined) return text;
    return this.#line.slice(this.#starts[index], this.#ends[index]);
  }

  cells(): string[] {
    return Array.from({ length: this.#count }, (_, index) => this.cell(index)!);
  }

  /** Where the row that begins at `from` ends in a text of several rows: at an LF outside of quotes, or the end. */
  endOfRow(text: string, from: number): number {
    this.#line = text;
    let at = from;
    for (;;) {
      if (text.charCodeAt(at) === this.#quoteCode) {
        const close = this.#closingQuote(at + 1);
        // Left open: the row is what stands on its first line, and the next line is a new chance.
        if (close < 0) return lineEnd(text, from);
        at = close + 1;
      }
      while (at < text.length && text.charCodeAt(at) !== LF && !this.#isSeparator(text, at)) at++;
      if (at >= text.length || text.charCodeAt(at) === LF) return at;
      at++;
    }
  }

  #isSeparator(text: string, at: number): boolean {
    return this.#whitespace ? isBlank(text.charCodeAt(at)) : text[at] === this.#separator;
  }

  #separatorFrom(from: number): number {
    const line = this.#line;
    if (!this.#whitespace) {
      const at = line.indexOf(this.#separator, from);
      return at < 0 ? line.length : at;
    }
    let at = from;
    while (at < line.length && !isBlank(line.charCodeAt(at))) at++;
    return at;
  }

  #skipBlanks(from: number): number {
    let at = from;
    while (isBlank(this.#line.charCodeAt(at))) at++;
    return at;
  }

  #push(from: number, to: number): void {
    const line = this.#line;
    let start = from;
    let end = to;
    while (start < end && isBlank(line.charCodeAt(start))) start++;
    while (end > start && isBlank(line.charCodeAt(end - 1))) end--;
    this.#starts[this.#count] = start;
    this.#ends[this.#count++] = end;
  }

  /** Reads a cell whose quote has been opened before `from`; returns where its separator is, or -1. */
  #readQuoted(from: number): number {
    const close = this.#closingQuote(from);
    if (close < 0) return -1;
    const end = this.#separatorFrom(close + 1);
    const quote = this.#quote;
    const inside = this.#line.slice(from, close);
    const doubled = inside.includes(quote);
    if (doubled || end !== close + 1) {
      const rest = this.#line.slice(close + 1, end).trimEnd();
      this.#texts ??= [];
      this.#texts[this.#count] = (doubled ? inside.replaceAll(quote + quote, quote) : inside) + rest;
    }
    this.#starts[this.#count] = from;
    this.#ends[this.#count++] = close;
    return end;
  }

  #closingQuote(from: number): number {
    const line = this.#line;
    for (let at = line.indexOf(this.#quote, from); at >= 0; at = line.indexOf(this.#quote, at + 2)) {
      if (line.charCodeAt(at + 1) !== this.#quoteCode) return at;
    }
    return -1;
  }
}

const LF = 0x0a;

function lineEnd(text: string, from: number): number {
  const at = text.indexOf("\n", from);
  return at < 0 ? text.length : at;
}
