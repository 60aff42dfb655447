import type { Diagnostic } from "../model/diagnostic.js";
import { messageOf } from "../model/errors.js";

export const READABLE = "correct the path, or let the user that Weir runs as read it";

/** Of a file as a whole. */
export function unreadable(file: string, error: unknown): Diagnostic {
  const [code, message] = ["unreadable-file", cannotRead(file, error)];
  return { file, line: 1, column: 1, code, message, hint: READABLE };
}

/** `cannot read PATH: no such file or directory`, from what node throws. */
export function cannotRead(path: string, error: unknown): string {
  // Node's message goes on with the call and the path again.
  return `cannot read ${path}: ${messageOf(error)
    .split(", ")[0]!
    .replace(/^[A-Z]+: /, "")}`;
}
