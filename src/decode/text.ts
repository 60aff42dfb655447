import { isUtf8 } from "node:buffer";
import { WeirError } from "../model/errors.js";

/**
 * The text of a payload. A byte order mark is left out.
 * @throws WeirError `decode-too-large`, or `decode-invalid` when the bytes are not valid UTF-8
 */
export function textOf(payload: Uint8Array | string, encoding: "utf-8" | "latin1", maxBytes: number): string {
  if (payload.length > maxBytes) {
    throw new WeirError(
      "decode-too-large",
      `the payload has ${payload.length} bytes, more than ${maxBytes}`,
      {
        hint: "raise decode.maxBytes if such payloads are right",
      },
    );
  }
  if (typeof payload === "string") return payload.charCodeAt(0) === 0xfeff ? payload.slice(1) : payload;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (encoding === "latin1") return bytes.toString("latin1");
  if (!isUtf8(bytes)) throw new WeirError("decode-invalid", "the payload is not valid UTF-8");
  const text = bytes.toString("utf8");
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** Reads cells of text: missing tokens out, numbers of other conventions rewritten with a point. */
export type CellReader = (cell: string | undefined) => string | undefined;

export function cellReader(spec: {
  readonly decimal: "." | ",";
  readonly thousands?: string | undefined;
  readonly missing: readonly string[];
}): CellReader {
  const missing = new Set(spec.missing);
  const { decimal, thousands } = spec;
  if (decimal === "." && thousands === undefined) {
    return missing.size === 0
      ? (cell) => (cell === "" ? undefined : cell)
      : (cell) => (cell === undefined || cell === "" || missing.has(cell) ? undefined : cell);
  }
  return (cell) => {
    if (cell === undefined || cell === "" || missing.has(cell)) return undefined;
    return looksNumeric(cell, decimal, thousands) ? plainNumber(cell, decimal, thousands) : cell;
  };
}

/** Only what can be a number is rewritten; any other text keeps its commas. */
function looksNumeric(cell: string, decimal: string, thousands: string | undefined): boolean {
  let marks = 0;
  let digits = 0;
  for (let i = 0; i < cell.length; i++) {
    const char = cell[i]!;
    if (char >= "0" && char <= "9") digits++;
    else if (char === decimal) marks++;
    else if (
      char !== thousands &&
      char !== "-" &&
      char !== "+" &&
      char !== "e" &&
      char !== "E" &&
      char !== " "
    )
      return false;
  }
  return digits > 0 && marks <= 1;
}

function plainNumber(cell: string, decimal: string, thousands: string | undefined): string {
  const joined = thousands === undefined ? cell : cell.replaceAll(thousands, "");
  return decimal === "," ? joined.replace(",", ".") : joined;
}

/** Splits text into lines at LF or CRLF; empty lines are left out. */
export function linesOf(text: string): readonly string[] {
  if (!text.includes("\n")) return text.length === 0 ? [] : [trimReturn(text)];
  return text
    .split("\n")
    .map(trimReturn)
    .filter((line) => line.length > 0);
}

function trimReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

/** Runs of blanks and tabs. Not `\s`: a no-break space may be a thousands mark. */
export const BLANKS = /[ \t]+/;
