import type { SourceFile } from "./source-file.js";

/** One habit of this repository. */
export interface Rule {
  /** A sentence that is true when the rule holds. */
  readonly name: string;
  /** @returns the places where it does not, each with what is wrong */
  check(files: readonly SourceFile[]): string[];
  /** Files that break it, each on its own: a rule that cannot fail holds nothing. */
  readonly bad: readonly Readonly<Record<string, string>>[];
}
