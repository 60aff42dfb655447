/** How values, types and places are called in messages. */
import type { Path } from "./yaml.js";

const LISTED_MAX = 16;

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "a mapping",
  record: "a mapping",
  null: "empty",
};

/** What zod calls `record` is `a mapping` to people. */
export function typeNamed(type: string): string {
  return TYPE_NAMES[type] ?? type;
}

/** `sources[0].url`, the way people write it. */
export function pathText(path: Path): string {
  if (path.length === 0) return "the file";
  return path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : text === "" ? part : `${text}.${part}`),
    "",
  );
}

export function typeName(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (value === undefined) return "missing";
  return typeNamed(value === null ? "null" : typeof value);
}

export function quoted(value: unknown): string {
  if (typeof value === "string") return `"${value}"`;
  return typeof value === "object" || value === undefined ? typeName(value) : String(value);
}

export function listed(words: readonly string[]): string {
  const rest = words.length - LISTED_MAX;
  return rest > 0 ? `${words.slice(0, LISTED_MAX).join(", ")} and ${rest} more` : words.join(", ");
}
