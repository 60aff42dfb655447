import { WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";

/** A column that somebody reads by name; `index` is -1 until a header says where it is. */
interface Wanted {
  readonly name: string;
  index: number;
}

/**
 * Which column has which name, and which lines are headers.
 *
 * The first line is the header, unless it names none of the columns that are read: then it is a title, or the rest
 * of a row of a device that was already talking, and the header is still to come. Later lines that begin as the
 * header did and consist of its names for more than half are headers too: devices repeat theirs at every start, and
 * recordings are put together from files whose columns differ. Names from the profile go before those of a header,
 * which is then only passed over.
 */
export class ColumnNames {
  readonly #given: readonly string[];
  readonly #expectsHeader: boolean;
  readonly #wanted: Wanted[] = [];
  #names: readonly string[];
  #headerNames: ReadonlySet<string> | undefined;
  #headerLine = "";
  #headerStart = "";

  constructor(columns: readonly string[] | undefined, expectsHeader: boolean) {
    this.#given = columns ?? [];
    this.#expectsHeader = expectsHeader;
    this.#names = this.#given;
  }

  get names(): readonly string[] {
    return this.#names;
  }

  /** Whether rows can be read: there is no header to wait for. */
  get ready(): boolean {
    return !this.#expectsHeader || this.#headerNames !== undefined;
  }

  /** How many columns a header names, where what is read depends on it; else Infinity. */
  get countMax(): number {
    const trusted = this.#given.length > 0 || !this.#expectsHeader || this.#wanted.length === 0;
    return trusted ? Number.POSITIVE_INFINITY : this.#names.length;
  }

  /** The columns that a header has to name, for messages. */
  get wantedNames(): readonly string[] {
    return this.#wanted.map(({ name }) => name);
  }

  /** Forgets the header of the last payload. */
  reset(): void {
    if (this.#expectsHeader) this.#headerNames = undefined;
  }

  /** A test without cost for the usual row. */
  mayBeHeader(line: string): boolean {
    if (!this.#expectsHeader) return false;
    return this.#headerNames === undefined || line.startsWith(this.#headerStart);
  }

  /** Takes a line as header if it is one. `cells` are those of the line. */
  takeHeader(line: string, cells: readonly string[]): boolean {
    if (this.#headerNames === undefined) {
      if (this.#given.length === 0 && !this.#namesAnyWanted(cells)) return false;
    } else {
      if (line === this.#headerLine) return true;
      const known = this.#headerNames;
      if (cells.filter((cell) => known.has(cell)).length * 2 <= cells.length) return false;
    }
    this.#headerNames = new Set(cells);
    this.#headerLine = line;
    const first = cells[0] ?? "";
    this.#headerStart = first === "" ? line : line.slice(0, line.indexOf(first) + first.length);
    if (this.#given.length > 0) return true;
    this.#names = cells;
    for (const column of this.#wanted) column.index = cells.indexOf(column.name);
    return true;
  }

  #namesAnyWanted(cells: readonly string[]): boolean {
    return this.#wanted.length === 0 || this.#wanted.some(({ name }) => cells.includes(name));
  }

  /**
   * Compiles access to a column.
   * @param from its name, or `#3` for the third
   * @throws WeirError `bad-path` when there can be no such column
   */
  reader<Source>(
    from: string,
    read: (source: Source, index: number) => unknown,
  ): (source: Source) => unknown {
    if (/^#\d+$/.test(from)) {
      const index = Number(from.slice(1)) - 1;
      if (index >= 0 && index < LIMITS.rowColumnsMax) return (source) => read(source, index);
      throw new WeirError("bad-path", `there is no column ${from}`, {
        hint: `columns are counted from "#1" to "#${LIMITS.rowColumnsMax}"`,
      });
    }
    const index = this.#given.indexOf(from);
    if (index >= 0) return (source) => read(source, index);
    if (from === "" || this.#given.length > 0 || !this.#expectsHeader) throw this.#unknown(from);
    const column: Wanted = { name: from, index: -1 };
    this.#wanted.push(column);
    return (source) => read(source, column.index);
  }

  #unknown(from: string): WeirError {
    return new WeirError("bad-path", `there is no column "${from}"`, {
      hint:
        this.#given.length > 0
          ? `the columns are ${this.#given.join(", ")}; "#1" is the first one`
          : `name the columns with "columns" or "header: true", or write "#1" for the first one`,
    });
  }
}
