/**
 * A YAML file checked against a schema. Everything that is wrong with it is reported in one go, in order of place;
 * a value comes out only when nothing is.
 */
import type { Diagnostic } from "../model/diagnostic.js";
import { LIMITS } from "../model/limits.js";
import { type Finding, validate } from "./issues.js";
import { type Path, type Place, type TextHook, YamlTree } from "./yaml.js";
import type { z } from "./zod.js";

export interface ParseOptions<T> {
  /** For messages only. */
  readonly file: string;
  readonly schema: z.ZodType<T>;
  /** Looks at every string before it is checked, for `${VAR}`. */
  readonly onText?: TextHook;
}

export interface ParsedDocument<T> {
  /** Undefined when there are diagnostics. */
  readonly value: T | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** What stands there, unchecked; undefined where nothing sensible can be said. */
  readonly plain: unknown;
  /** Where a value (or its key) stands; where it does not exist, the nearest thing around it. */
  place(path: Path, of?: "key" | "value"): Place;
}

export function parseDocument<T>(text: string, options: ParseOptions<T>): ParsedDocument<T> {
  const { file } = options;
  const bytes = Buffer.byteLength(text);
  if (bytes > LIMITS.documentBytesMax) {
    const message = `the file has ${bytes} bytes; at most ${LIMITS.documentBytesMax} are read`;
    const hint = "put what belongs together into files of its own";
    return failed([{ file, line: 1, column: 1, code: "too-large", message, hint }]);
  }
  const tree = new YamlTree(text);
  if (!tree.readable) return failed(inOrder(tree.problems.map((problem) => ({ file, ...problem }))));

  const plain = tree.toPlain(options.onText);
  const { value, findings } = tree.unfolded ? validateTree(tree, plain, options.schema) : NOTHING;
  const first = tree.problems.map((problem) => ({ file, ...problem }));
  // What cannot be read or replaced is not also of the wrong type.
  const further = findings
    .map((finding) => ({ file, ...diagnosticOf(finding, tree) }))
    .filter(
      ({ line, column }) => !first.some((problem) => problem.line === line && problem.column === column),
    );
  const diagnostics = inOrder([...first, ...further]);
  return {
    value: diagnostics.length === 0 ? (value as T) : undefined,
    diagnostics,
    plain: tree.unfolded ? plain : undefined,
    place: (path, of) => tree.place(path, of),
  };
}

const NOTHING = { value: undefined, findings: [] as readonly Finding[] };

/**
 * What came from a variable is a text, in quotes or not; where the schema wants a number or boolean, it is read as one.
 */
function validateTree<T>(tree: YamlTree, plain: unknown, schema: z.ZodType<T>) {
  const source = { value: plain, sourceOf: (path: Path) => tree.sourceOf(path) };
  const first = validate(schema, source);
  const converted = first.findings.filter(
    ({ path, wanted }) => wanted !== undefined && tree.retype(plain, path, wanted),
  );
  return converted.length === 0 ? first : validate(schema, source);
}

function diagnosticOf(finding: Finding, tree: YamlTree): Omit<Diagnostic, "file"> {
  const { code, message, hint } = finding;
  const place = tree.place(finding.path, finding.at === "value" ? "value" : "key");
  return { ...place, code, message, hint };
}

function failed<T>(diagnostics: readonly Diagnostic[]): ParsedDocument<T> {
  return { value: undefined, diagnostics, plain: undefined, place: () => ({ line: 1, column: 1 }) };
}

function inOrder(diagnostics: Diagnostic[]): Diagnostic[] {
  return diagnostics.sort((a, b) => a.line - b.line || a.column - b.column);
}
