/** One problem in a file a person wrote, with its place and its remedy. */
export interface Diagnostic {
  readonly file: string;
  /** One-based; 1 where the problem has no place of its own. */
  readonly line: number;
  /** One-based, in characters. */
  readonly column: number;
  /** Stable, in kebab case: `unknown-key`, `bad-unit`, `test-failed`. */
  readonly code: string;
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}

/** `file:line:column code message (hint)`, the form that editors and grep understand. */
export function formatDiagnostic(d: Diagnostic): string {
  return `${d.file}:${d.line}:${d.column} ${d.code} ${d.message} (${d.hint})`;
}
