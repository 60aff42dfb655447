/**
 * Reference documentation in Markdown, from the same schema that checks the file: a section per top-level key, a
 * table row per key below it, and a table of its own for each variant of a section (`type: mqtt`).
 */
import { type JsonSchema, type SchemaHead, toJsonSchema } from "./json-schema.js";
import type { z } from "./zod.js";

interface Row {
  readonly key: string;
  readonly type: string;
  readonly default: string;
  readonly meaning: string;
}

/** A table to come: the rows of one object, or of one variant of it. */
interface Table {
  readonly heading: string | undefined;
  readonly meaning: string | undefined;
  readonly rows: Row[];
}

const FORM_NAMES: Readonly<Record<string, string>> = {
  duration: "duration",
  size: "size",
  rate: "rate",
  name: "name",
  pointer: "JSON Pointer",
  zone: "time zone",
};

const SIMPLE_NAMES: Readonly<Record<string, string>> = {
  string: "text",
  integer: "whole number",
  number: "number",
  boolean: "true or false",
  null: "empty",
  object: "mapping",
};

export function referenceMarkdown(schema: z.ZodType, head: SchemaHead): string {
  const json = toJsonSchema(schema, head);
  const parts = [`# ${head.title}`];
  if (head.description !== undefined) parts.push(head.description);
  const plain: Row[] = [];
  const sections: string[] = [];
  for (const [key, property] of Object.entries(json.properties ?? {})) {
    const tables = tablesOf(key, property);
    if (tables.every(({ rows }) => rows.length === 0))
      plain.push(rowOf(key, property, isRequired(json, key)));
    else sections.push(section(key, property, isRequired(json, key), tables));
  }
  if (plain.length > 0) parts.push(tableText(plain));
  return `${[...parts, ...sections].join("\n\n")}\n`;
}

function section(key: string, json: JsonSchema, required: boolean, tables: readonly Table[]): string {
  const own = rowOf(key, json, required);
  const facts = [`${own.type}, ${own.default === "required" ? "required" : `default ${own.default}`}`];
  const parts = [`## ${key}`, `*${(own.default === "" ? own.type : facts[0])!}.* ${own.meaning}`.trimEnd()];
  for (const { heading, meaning, rows } of tables) {
    if (rows.length === 0) continue;
    if (heading !== undefined) parts.push(`### ${heading}`);
    if (meaning !== undefined) parts.push(meaning);
    parts.push(tableText(rows));
  }
  return parts.join("\n\n");
}

/** The table of the keys directly and indirectly below `path`, then one for each variant met on the way. */
function tablesOf(path: string, json: JsonSchema): Table[] {
  const main: Table = { heading: undefined, meaning: undefined, rows: [] };
  const variants: Table[] = [];
  collect(path, json, main, variants);
  return [main, ...variants];
}

function collect(path: string, json: JsonSchema, table: Table, variants: Table[]): void {
  for (const [key, property] of Object.entries(json.properties ?? {})) {
    const below = `${path}.${key}`;
    table.rows.push(rowOf(below, property, isRequired(json, key)));
    collect(below, property, table, variants);
  }
  if (json.items !== undefined) collect(`${path}[]`, json.items, table, variants);
  if (typeof json.additionalProperties === "object") {
    const below = `${path}.<name>`;
    if (Object.keys(json.additionalProperties).length > 0) {
      table.rows.push(rowOf(below, json.additionalProperties, false));
    }
    collect(below, json.additionalProperties, table, variants);
  }
  for (const option of json.anyOf ?? []) collect(path, option, table, variants);
  for (const option of json.oneOf ?? []) {
    const variant: Table = { heading: variantName(path, option), meaning: option.description, rows: [] };
    variants.push(variant);
    collect(path, option, variant, variants);
  }
}

/** The constant keys that tell a variant from the others: `sources[] with type: mqtt`. */
function variantName(path: string, json: JsonSchema): string {
  const tags = Object.entries(json.properties ?? {}).filter(([, property]) => property.const !== undefined);
  const text = tags.map(([key, property]) => `\`${key}: ${property.const}\``).join(", ");
  return text === "" ? `\`${path}\`` : `\`${path}\` with ${text}`;
}

function rowOf(path: string, json: JsonSchema, required: boolean): Row {
  const fallback = json.default === undefined || isEmptyObject(json.default) ? "" : code(json.default);
  const examples = json.examples === undefined ? "" : ` For example ${json.examples.map(code).join(", ")}.`;
  return {
    key: `\`${path}\``,
    type: typeText(json),
    default: required ? "required" : fallback,
    meaning: `${json.description ?? ""}${json.description === undefined ? "" : examples}`,
  };
}

function typeText(json: JsonSchema): string {
  const form = json["x-form"];
  if (form !== undefined) return FORM_NAMES[form] ?? form;
  if (json.const !== undefined) return code(json.const);
  if (json.enum !== undefined) return json.enum.map(code).join(", ");
  const options = json.anyOf ?? json.oneOf;
  if (options !== undefined) return [...new Set(options.map(typeText))].join(" or ");
  if (json.prefixItems !== undefined) return `[${json.prefixItems.map(typeText).join(", ")}]`;
  if (json.type === "array") return json.items === undefined ? "list" : `list of ${typeText(json.items)}`;
  const simple = SIMPLE_NAMES[json.type ?? ""] ?? "any";
  return json.type === "integer" || json.type === "number" ? `${simple}${boundsText(json)}` : simple;
}

function boundsText({ minimum, maximum, exclusiveMinimum }: JsonSchema): string {
  if (minimum !== undefined && maximum !== undefined) return ` ${minimum} to ${maximum}`;
  if (minimum !== undefined) return ` ≥ ${minimum}`;
  if (exclusiveMinimum !== undefined) return ` > ${exclusiveMinimum}`;
  return maximum === undefined ? "" : ` ≤ ${maximum}`;
}

function tableText(rows: readonly Row[]): string {
  const lines = rows.map((row) => [row.key, row.type, row.default, row.meaning].map(cell).join(" | "));
  return [
    "| Key | Type | Default | Meaning |",
    "|---|---|---|---|",
    ...lines.map((line) => `| ${line} |`),
  ].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

function code(value: unknown): string {
  return `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

function isRequired(json: JsonSchema, key: string): boolean {
  return json.required?.includes(key) ?? false;
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
