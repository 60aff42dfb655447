import { detached } from "./text.js";

/** How text stands for values: shared by all formats that have no types of their own. */
export interface CellConvention {
  readonly decimal: "." | ",";
  readonly thousands?: string | undefined;
  readonly missing: readonly string[];
}

/** What a cell of text says; undefined where it says nothing. */
export type CellReader = (cell: string | undefined) => string | undefined;

/**
 * Reads cells: empty ones and missing tokens are absent, numbers of the given convention are rewritten with a point
 * and without marks (`1 000,5` becomes `1000.5`). Only what is such a number as a whole is rewritten, with digits in
 * groups of three and one decimal mark. Everything else stays as it is: text keeps its commas, a date its points, a
 * number written with a point its point, and `1,23` with a comma as thousands mark is unreadable, not 123.
 */
export function cellReader(convention: CellConvention): CellReader {
  const { decimal, thousands } = convention;
  const missing = new Set(convention.missing);
  const rewrite = decimal === "." && thousands === undefined ? undefined : rewriter(decimal, thousands);
  return (cell) => {
    if (cell === undefined || cell === "" || (missing.size > 0 && missing.has(cell))) return undefined;
    return detached(rewrite === undefined ? cell : rewrite(cell));
  };
}

/** Blanks that people cannot tell apart: whichever of them is configured, each of them is a mark. */
const SPACES = " \u00a0\u202f\u2009";

function rewriter(decimal: "." | ",", thousands: string | undefined): (cell: string) => string {
  const marks = thousands === undefined ? "" : SPACES.includes(thousands) ? SPACES : thousands;
  const mark = marks === "" ? undefined : `[${escaped(marks)}]`;
  const grouped = mark === undefined ? "" : `\\d{1,3}(?:${mark}\\d{3})+|`;
  const point = escaped(decimal);
  const number = new RegExp(`^[+-]?(?:(?:${grouped}\\d+)(?:${point}\\d*)?|${point}\\d+)(?:[eE][+-]?\\d+)?$`);
  const unusual = new RegExp(`[${escaped(marks + (decimal === "," ? "," : ""))}]`);
  const everyMark = mark === undefined ? undefined : new RegExp(mark, "g");
  return (cell) => {
    if (!unusual.test(cell) || !number.test(cell)) return cell;
    const joined = everyMark === undefined ? cell : cell.replace(everyMark, "");
    return decimal === "," ? joined.replace(",", ".") : joined;
  };
}

function escaped(characters: string): string {
  return characters.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
