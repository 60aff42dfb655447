import { messageOf } from "../model/errors.js";

/** `cannot read PATH: no such file or directory`, from what node throws. */
export function cannotRead(path: string, error: unknown): string {
  // Node's message goes on with the call and the path again.
  return `cannot read ${path}: ${messageOf(error)
    .split(", ")[0]!
    .replace(/^[A-Z]+: /, "")}`;
}
