/**
 * Reference documentation in Markdown, from the same schema that checks the file: a section per top-level key, a
 * table row per key below it, a table of its own for each variant (`type: mqtt`), and how each form is written.
 */
import { type JsonSchema, toJsonSchema } from "./json-schema.js";
import type { z } from "./zod.js";

interface Row {
  readonly key: string;
  readonly type: string;
  readonly default: string;
  readonly meaning: string;
}

/** The rows of one object and the objects in it, or of one variant of it. */
interface Table {
  /** Undefined for the first table of a section. */
  readonly heading: string | undefined;
  readonly meaning: string | undefined;
  /** What the keys in the rows are relative to. */
  readonly base: string;
  readonly rows: Row[];
}

/** How texts with an `x-form` are written; shown once, for the forms that occur. */
const FORMS: Readonly<Record<string, string>> = {
  duration: "a number with `ms`, `s`, `m`, `h` or `d`, or several: `250ms`, `30s`, `1h30m`",
  size: "bytes, or a number with `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`: `64KiB`, `1MB`, `8192`",
  rate: "a number per `s`, `min` or `h`: `100/s`, `30/min`",
  name: "letters, digits, `-`, `_` and `.`, not beginning with `.`",
  "JSON Pointer": "RFC 6901: keys and indices that each follow a slash: `/Time`, `/sensors/0/value`",
  "time zone": "a name of the IANA database: `UTC`, `Europe/Berlin`",
  path: "absolute, or relative to the file's folder",
  secret: "the text itself, or `file:PATH` for the content of a file; never printed",
  "MQTT URL": "`mqtt://host:1883`, or `mqtts://host:8883` for TLS; the port may be left out",
  "topic filter": "an MQTT topic, where `+` stands for one level and `#` for the rest: `tele/+/SENSOR`",
  address: "`host:port`: `127.0.0.1:1883`, `[::1]:1883`, `0.0.0.0:1883` for every interface",
  schedule: "`immediate`, or a cron expression: `*/15 * * * *`, with seconds in front `30 0 6 * * *`",
};

const SIMPLE_NAMES: Readonly<Record<string, string>> = {
  string: "text",
  integer: "whole number",
  number: "number",
  boolean: "true or false",
  null: "empty",
  object: "mapping",
};

/** The schema's `title` and `description` become the heading and the introduction. */
export function referenceMarkdown(schema: z.ZodType): string {
  const json = toJsonSchema(schema);
  const plain: Row[] = [];
  const sections: string[] = [];
  for (const [key, property] of Object.entries(json.properties ?? {})) {
    const tables = tablesOf(key, property).filter(({ rows }) => rows.length > 0);
    const row = rowOf(key, property, isRequired(json, key));
    if (tables.length === 0) plain.push(row);
    else sections.push(sectionText(key, row, tables));
  }
  const parts = [`# ${json.title ?? "Reference"}`];
  if (json.description !== undefined) parts.push(json.description);
  const forms = [...formsIn(json)].filter((form) => FORMS[form] !== undefined).sort();
  if (forms.length > 0) parts.push(forms.map((form) => `- *${form}*: ${FORMS[form]}`).join("\n"));
  if (plain.length > 0) parts.push(tableText(plain));
  return `${[...parts, ...sections].join("\n\n")}\n`;
}

function sectionText(key: string, row: Row, tables: readonly Table[]): string {
  const fallback = row.default === "" || row.default === "required" ? row.default : `default ${row.default}`;
  const facts = fallback === "" ? row.type : `${row.type}, ${fallback}`;
  const parts = [`## ${key}`, `*${facts}.* ${row.meaning}`.trimEnd()];
  for (const { heading, meaning, rows } of tables) {
    if (heading !== undefined) parts.push(`### ${heading}`);
    if (meaning !== undefined) parts.push(meaning);
    parts.push(tableText(rows));
  }
  return parts.join("\n\n");
}

/** The table of the keys directly and indirectly below `path`, then one for each variant met on the way. */
function tablesOf(path: string, json: JsonSchema): Table[] {
  const main: Table = { heading: undefined, meaning: undefined, base: path, rows: [] };
  const variants: Table[] = [];
  collect(path, json, main, variants);
  return [main, ...variants];
}

function collect(path: string, json: JsonSchema, table: Table, variants: Table[]): void {
  const add = (below: string, property: JsonSchema, required: boolean): void => {
    const key = below.slice(table.base.length).replace(/^(\[\])?\.?/, "");
    // Of a union of one and a list of them, the one is enough.
    const known = [code(key), code(key.replaceAll("[]", ""))];
    if (!table.rows.some((row) => known.includes(row.key))) table.rows.push(rowOf(key, property, required));
    collect(below, property, table, variants);
  };
  for (const [key, property] of Object.entries(json.properties ?? {})) {
    add(`${path}.${key}`, property, isRequired(json, key));
  }
  if (json.items !== undefined) collect(`${path}[]`, json.items, table, variants);
  if (typeof json.additionalProperties === "object") add(`${path}.<name>`, json.additionalProperties, false);
  for (const option of json.anyOf ?? []) collect(path, option, table, variants);
  for (const option of json.oneOf ?? []) {
    const variant: Table = {
      heading: variantName(path, option),
      meaning: option.description,
      base: path,
      rows: [],
    };
    variants.push(variant);
    collect(path, option, variant, variants);
  }
}

/** The constant keys that tell a variant from the others: `sources[]` with `type: mqtt`. */
function variantName(path: string, json: JsonSchema): string {
  const tags = Object.entries(json.properties ?? {}).filter(([, property]) => property.const !== undefined);
  const text = tags.map(([key, property]) => `\`${key}: ${property.const}\``).join(", ");
  return text === "" ? `\`${path}\`` : `\`${path}\` with ${text}`;
}

function rowOf(key: string, json: JsonSchema, required: boolean): Row {
  const fallback = json.default === undefined || isEmptyObject(json.default) ? "" : code(json.default);
  return {
    key: code(key),
    type: typeText(json),
    default: required ? "required" : fallback,
    meaning: [json.description, examplesText(json)].filter((text) => text !== undefined).join(" "),
  };
}

function examplesText(json: JsonSchema): string | undefined {
  const form = json["x-form"];
  if (json.examples === undefined || (form !== undefined && FORMS[form] !== undefined)) return undefined;
  return `For example ${json.examples.map(code).join(", ")}.`;
}

function typeText(json: JsonSchema): string {
  const form = json["x-form"];
  if (form !== undefined) {
    return `${form}${boundsText({ minimum: json["x-least"], maximum: json["x-most"] })}`;
  }
  if (json.const !== undefined) return code(json.const);
  if (json.enum !== undefined) return json.enum.map(code).join(", ");
  const options = json.anyOf ?? json.oneOf;
  if (options !== undefined) return [...new Set(options.map(typeText))].join(" or ");
  if (json.prefixItems !== undefined) return `[${json.prefixItems.map(typeText).join(", ")}]`;
  if (json.type === "array") return json.items === undefined ? "list" : `list of ${plural(json.items)}`;
  const simple = SIMPLE_NAMES[json.type ?? ""] ?? "any";
  return json.type === "integer" || json.type === "number" ? `${simple}${boundsText(json)}` : simple;
}

function plural(json: JsonSchema): string {
  const text = typeText(json);
  return /^[a-zA-Z ]*(text|mapping|number|name|filter|path)$/.test(text) && !text.includes(" or ")
    ? `${text}s`
    : text;
}

interface Range {
  readonly minimum?: number | string | undefined;
  readonly maximum?: number | string | undefined;
  readonly exclusiveMinimum?: number | undefined;
}

function boundsText({ minimum, maximum, exclusiveMinimum }: Range): string {
  if (minimum !== undefined && maximum !== undefined) return ` ${minimum} to ${maximum}`;
  if (minimum !== undefined) return ` ≥ ${minimum}`;
  if (exclusiveMinimum !== undefined) return ` > ${exclusiveMinimum}`;
  return maximum === undefined ? "" : ` ≤ ${maximum}`;
}

/** Every form that occurs anywhere in the schema. */
function formsIn(json: unknown, found = new Set<string>()): Set<string> {
  if (typeof json !== "object" || json === null) return found;
  const form = (json as JsonSchema)["x-form"];
  if (typeof form === "string") found.add(form);
  for (const part of Object.values(json)) formsIn(part, found);
  return found;
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

/** Texts that would vanish as code, such as a line feed, are shown as in YAML's double quotes. */
function code(value: unknown): string {
  const shown = typeof value === "string" && /^\S(.*\S)?$/.test(value) ? value : JSON.stringify(value);
  return `\`${shown}\``;
}

function isRequired(json: JsonSchema, key: string): boolean {
  return json.required?.includes(key) ?? false;
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
