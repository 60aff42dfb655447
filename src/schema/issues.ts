/**
 * From zod's issues to findings in the words of the file's author: one per problem, with the path it belongs to,
 * a stable code and a remedy. Of a union only the branch is reported that the value comes nearest to.
 */
import { nearest } from "../model/nearest.js";
import { listed, pathText, quoted, typeName, typeNamed } from "./wording.js";
import type { Path } from "./yaml.js";
import { type Problem, type ProblemParams, refusedKeys, z } from "./zod.js";

export interface Finding {
  readonly path: Path;
  readonly at: "key" | "value" | "parent";
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** Set where a text stands in place of a number or boolean. */
  readonly wanted?: "number" | "boolean";
  /** Keys of which one should be there. */
  readonly missing?: readonly string[];
  /** What an unknown key was probably meant to be. */
  readonly meant?: string;
}

type Issue = z.core.$ZodIssue;

/** What `noteSchema` leaves in an issue; zod hands on everything it does not know. */
interface Notes {
  readonly knownKeys?: readonly string[];
  readonly refusedKeys?: Readonly<Record<string, Problem>>;
  readonly description?: string;
  /** What a text stands for (`x-form`), such as a duration; a secret must not be shown. */
  readonly form?: string;
}

/** What is known of the file besides zod's view of it. */
export interface Source {
  /** The value that was checked. */
  readonly value: unknown;
  /** The text of a scalar as written. */
  sourceOf(path: Path): string | undefined;
}

/** Validates; notes in every issue what its schema knows, since zod does not keep the schema itself. */
export function validate<T>(
  schema: z.ZodType<T>,
  source: Source,
): { readonly value: T | undefined; readonly findings: readonly Finding[] } {
  const result = schema.safeParse(source.value, { error: noteSchema });
  const issues = result.success ? [] : result.error.issues;
  const findings = withoutMistyped(withoutEchoes(issues).flatMap((issue) => explain(issue, [], source)));
  for (const path of prototypeKeys(source.value)) {
    const told = findings.some((finding) => finding.path.join("\0") === path.join("\0"));
    const kept = result.success && Object.hasOwn(Object(valueAt(result.data, path.slice(0, -1))), PROTOTYPE);
    if (!told && !kept)
      findings.push({ path, at: "key", code: "bad-name", message: NOT_A_NAME, hint: "give it another" });
  }
  if (findings.length > 0) return { value: undefined, findings };
  return { value: result.data, findings };
}

/** Leaves out what is missing where it is there, but mistyped. */
function withoutMistyped(findings: readonly Finding[]): Finding[] {
  const meant = new Set(findings.map((each) => JSON.stringify([each.path.slice(0, -1), each.meant])));
  return findings.filter(
    ({ path, missing = [] }) => !missing.some((key) => meant.has(JSON.stringify([path, key]))),
  );
}

/** zod measures a text that stands in place of a list, and a list in place of a text; its type is wrong enough. */
function withoutEchoes(issues: readonly Issue[]): readonly Issue[] {
  const mistyped = issues.filter(({ code }) => code === "invalid_type").map(({ path }) => path.join("\0"));
  return issues.filter(
    ({ code, path }) => (code !== "too_small" && code !== "too_big") || !mistyped.includes(path.join("\0")),
  );
}

/** zod's records pass over this key as if it were not there, and so would we without a word. */
const PROTOTYPE = "__proto__";
const NOT_A_NAME = `"${PROTOTYPE}" cannot be a name`;

function prototypeKeys(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    return key === PROTOTYPE ? [at] : prototypeKeys(child, at);
  });
}

const noteSchema: z.core.$ZodErrorMap = (issue) => {
  const schema = issue.inst;
  const notes: { -readonly [K in keyof Notes]: Notes[K] } = {};
  if (schema instanceof z.ZodObject) {
    notes.knownKeys = Object.keys(schema.shape);
    notes.refusedKeys = refusedKeys(schema);
  }
  if (schema instanceof z.ZodType && schema.description !== undefined) notes.description = schema.description;
  const form = schema instanceof z.ZodType ? schema.meta()?.["x-form"] : undefined;
  if (typeof form === "string") notes.form = form;
  Object.assign(issue, notes);
  return undefined;
};

function explain(issue: Issue, base: Path, source: Source): Finding[] {
  const path = [...base, ...issue.path.map((part) => (typeof part === "number" ? part : String(part)))];
  const input = valueAt(source.value, path);
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => unknownKey(key, path, issue, source));
  if (issue.code === "custom") return [custom(issue, path)];
  if (issue.code === "invalid_key" || issue.code === "invalid_element") {
    const at = issue.code === "invalid_key" ? "key" : "value";
    return issue.issues
      .flatMap((inner) => explain(inner, path, source))
      .map((found) => ({ ...found, path, at }));
  }
  if (input === undefined && path.length > 0) return [missingKey(issue, path, source)];
  if (issue.code === "invalid_union" && issue.errors.length > 0)
    return explainUnion(issue.errors, path, source);
  return [{ path, at: "value", ...describe(issue, path, input, source) }];
}

function custom(issue: z.core.$ZodIssueCustom, path: Path): Finding {
  const params = issue.params as ProblemParams | undefined;
  const { message } = issue;
  if (params === undefined) return { path, at: "value", code: "bad-value", message, hint: REFERENCE };
  return { ...params, path, message };
}

function unknownKey(key: string, path: Path, issue: Issue & Notes, source: Source): Finding {
  const refused = new Map(Object.entries(issue.refusedKeys ?? {})).get(key);
  if (refused !== undefined) {
    const { code = "bad-value", message, hint } = refused;
    return { path: [...path, key], at: "key", code, message, hint };
  }
  const known = issue.knownKeys ?? [];
  const present = valueAt(source.value, path);
  const free = known.filter((name) => !Object.hasOwn(present as object, name));
  const guess = nearest(key, free) ?? nearest(key, known);
  const where = path.length === 0 ? "" : ` in ${pathText(path)}`;
  const hint = guess === undefined ? `known keys: ${listed(known)}` : `did you mean "${guess}"?`;
  return {
    path: [...path, key],
    at: "key",
    code: "unknown-key",
    message: `unknown key "${key}"${where}`,
    hint,
    ...(guess === undefined ? {} : { meant: guess }),
  };
}

function missingKey(issue: Issue & Notes, path: Path, source: Source): Finding {
  const parent = path.slice(0, -1);
  const key = path.at(-1);
  const discriminator = issue.code === "invalid_union";
  const mistyped = discriminator && nearest(String(key), Object.keys(Object(valueAt(source.value, parent))));
  // Of the other keys nothing can be said before it is known which they can be.
  if (mistyped) return unknownKey(mistyped, parent, { ...issue, knownKeys: [String(key)] }, source);
  const where = parent.length === 0 ? "" : ` in ${pathText(parent)}`;
  const options = optionsOf(issue);
  const hint = options === undefined ? (issue.description ?? `add ${key}`) : `one of ${listed(options)}`;
  return {
    path: parent,
    at: "parent",
    code: "missing-key",
    message: `the key "${key}" is missing${where}`,
    hint,
    missing: [String(key)],
  };
}

function describe(
  issue: Issue & Notes,
  path: Path,
  input: unknown,
  source: Source,
): Pick<Finding, "code" | "message" | "hint" | "wanted"> {
  const what = pathText(path);
  const options = optionsOf(issue);
  if (options !== undefined) return notAnOption(what, input, options);
  switch (issue.code) {
    case "invalid_type":
      if (issue.form === "duration" && typeof input === "number") return withoutUnit(path, input, source);
      if (issue.form === "rate" && typeof input === "number") {
        const hint = `write ${source.sourceOf(path) ?? input}/s if it is per second`;
        return { code: "bad-rate", message: `${what} is a rate, and has no unit`, hint };
      }
      return issue.form === "secret"
        ? {
            code: "bad-type",
            message: `${what} must be a text, not ${typeName(input)}`,
            hint: "put it in quotes",
          }
        : wrongType(path, [issue.expected], input, source);
    case "too_small":
    case "too_big":
      return { code: "out-of-bounds", message: `${what} ${boundText(issue)}`, hint: boundHint(issue) };
    case "not_multiple_of":
      return {
        code: "bad-value",
        message: `${what} must be a multiple of ${issue.divisor}`,
        hint: REFERENCE,
      };
    case "invalid_format":
      return {
        code: "bad-value",
        message: `${what} has not the form ${issue.pattern ?? issue.format}`,
        hint: issue.description ?? REFERENCE,
      };
    default:
      return { code: "bad-value", message: `${what}: ${issue.message}`, hint: REFERENCE };
  }
}

/** The values among which an enum, a literal or a discriminator wants one; undefined for other issues. */
function optionsOf(issue: Issue): readonly string[] | undefined {
  if (issue.code === "invalid_value") return issue.values.map(String);
  if (issue.code !== "invalid_union" || !("options" in issue)) return undefined;
  return issue.options?.map(String);
}

function notAnOption(what: string, input: unknown, options: readonly string[]) {
  const guess = typeof input === "string" ? nearest(input, options) : undefined;
  let hint = guess === undefined ? `one of ${listed(options)}` : `did you mean "${guess}"?`;
  // Without quotes YAML has it for nothing at all.
  if (input === null && options.includes("null")) hint = `put it in quotes: "null"`;
  const only = options.length === 1 ? ` but must be ${options[0]}` : "";
  return {
    code: "bad-value",
    message: `${what} is ${quoted(input)}${only}`,
    hint: only === "" ? hint : `write ${options[0]}`,
  };
}

function withoutUnit(path: Path, input: number, source: Source) {
  const message = `${pathText(path)} is a duration, and has no unit`;
  return { code: "bad-duration", message, hint: `write ${source.sourceOf(path) ?? input}s if it is seconds` };
}

function wrongType(path: Path, expected: readonly string[], input: unknown, source: Source) {
  const what = pathText(path);
  const code = "bad-type";
  if (path.length === 0 && input === null) {
    return { code: "empty-file", message: "the file is empty", hint: KEYS_HINT };
  }
  const names = [...new Set(expected.map(typeNamed))];
  const given = typeof input === "number" && !Number.isInteger(input) ? quoted(input) : typeName(input);
  const message = `${what} must be ${names.join(" or ")}, not ${given}`;
  if (expected.includes("string") && (typeof input === "number" || typeof input === "boolean")) {
    return { code, message, hint: `put it in quotes: "${source.sourceOf(path) ?? input}"` };
  }
  const item = typeof path.at(-1) === "number";
  const mapping = expected.includes("object") || expected.includes("record");
  if (input === null && !(item && mapping)) {
    return { code, message, hint: `give it a value or remove the ${item ? "item" : "key"}` };
  }
  if (mapping && item)
    return { code, message, hint: 'write the item\'s keys as "- key: value", one in a line' };
  if (mapping)
    return { code, message, hint: path.length === 0 ? KEYS_HINT : `write its keys below it, ${KEY}` };
  if (expected.includes("array") && input !== undefined)
    return { code, message, hint: typeof input === "object" ? 'begin each item with "- "' : "put it in [ ]" };
  const hint = `write ${names.join(" or ")} here`;
  if (typeof input !== "string") return { code, message, hint };
  if (expected.some((type) => type === "number" || type === "int"))
    return { code, message, hint, wanted: "number" } as const;
  return expected.includes("boolean")
    ? ({ code, message, hint, wanted: "boolean" } as const)
    : { code, message, hint };
}

const KEY = 'each as "key: value"';
const KEYS_HINT = `write its keys, ${KEY}, one in a line`;
/** The last resort. */
const REFERENCE = "REFERENCE.md of the config or of profiles says what may stand here";

/** The branch whose type fits and that has the fewest problems; where no type fits, what types would. */
function explainUnion(branches: readonly (readonly Issue[])[], path: Path, source: Source): Finding[] {
  const fitting = branches
    .map(withoutEchoes)
    .filter((issues) => !issues.some((issue) => issue.path.length === 0 && isMismatch(issue)));
  if (fitting.length > 0) {
    const best = fitting.reduce((a, b) => (b.length < a.length ? b : a));
    return best.flatMap((issue) => explain(issue, path, source));
  }
  const top = flattenUnions(branches.flat()).filter((issue) => issue.path.length === 0);
  const input = valueAt(source.value, path);
  const options = top.flatMap((issue) => optionsOf(issue) ?? []);
  if (
    options.length > 0 &&
    (typeof input === "string" || top.every((issue) => optionsOf(issue) !== undefined))
  ) {
    return [{ path, at: "value", ...notAnOption(pathText(path), input, options) }];
  }
  if (typeof input === "number" && top.some((issue: Issue & Notes) => issue.form === "duration")) {
    return [{ path, at: "value", ...withoutUnit(path, input, source) }];
  }
  const expected = top.flatMap((issue) => (issue.code === "invalid_type" ? [issue.expected] : []));
  return [{ path, at: "value", ...wrongType(path, expected, input, source) }];
}

function isMismatch(issue: Issue): boolean {
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    return issue.errors.every((branch) =>
      branch.some((inner) => inner.path.length === 0 && isMismatch(inner)),
    );
  }
  return issue.code === "invalid_type" || issue.code === "invalid_value";
}

function flattenUnions(issues: readonly Issue[]): Issue[] {
  return issues.flatMap((issue) =>
    issue.code === "invalid_union" && issue.errors.length > 0 ? flattenUnions(issue.errors.flat()) : [issue],
  );
}

function boundText(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const least = issue.code === "too_small";
  const bound = String(least ? issue.minimum : issue.maximum);
  if (issue.origin === "string" || issue.origin === "array") {
    const unit = issue.origin === "string" ? "character" : "item";
    return `must have at ${least ? "least" : "most"} ${bound} ${unit}${bound === "1" ? "" : "s"}`;
  }
  if (issue.inclusive === false) return `must be ${least ? "above" : "below"} ${bound}`;
  return `must be at ${least ? "least" : "most"} ${bound}`;
}

function boundHint(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const least = issue.code === "too_small";
  const bound = least ? issue.minimum : issue.maximum;
  if (issue.origin === "string") return least ? "write a text" : "shorten it";
  if (issue.origin === "array") return least ? "add an item" : "remove some";
  if (issue.inclusive === false) return `give a number ${least ? "above" : "below"} ${bound}`;
  return `give ${bound}, or ${least ? "more" : "less"}`;
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
