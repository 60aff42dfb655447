/** The files that are written from the schemas: for editors and for readers. `scripts/generate` writes them. */
import { allAggregates } from "../aggregate/catalog.js";
import { createConfigSchema } from "../config/schema.js";
import { FUNCTIONS } from "../profile/expression-functions.js";
import { profileSchema } from "../profile/schema.js";
import { TIME_FORMATS } from "../profile/time-format.js";
import { TIME_DIRECTIVES } from "../profile/time-pattern.js";
import { jsonSchemaText } from "../schema/json-schema.js";
import { referenceMarkdown } from "../schema/reference.js";

export interface GeneratedFile {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

export function generatedFiles(): readonly GeneratedFile[] {
  const config = createConfigSchema({ folder: "/" });
  return [
    { path: "src/config/weir.schema.json", text: jsonSchemaText(config) },
    { path: "src/config/REFERENCE.md", text: referenceMarkdown(config) },
    { path: "src/profile/device-profile.schema.json", text: jsonSchemaText(profileSchema) },
    { path: "src/profile/REFERENCE.md", text: `${referenceMarkdown(profileSchema)}${catalogues()}` },
  ];
}

/** What profiles may name in the values of some keys, each from its one definition. */
function catalogues(): string {
  return [
    table(
      "Aggregates",
      "What a window may ask of a field. None depends on the order in which readings arrived. A result has the field's unit unless the description or the summary's `units` gives another one. Sums are exact whatever the order of their terms (Shewchuk 1997). Fields: numbers are float, int, decimal and bool; discrete are int, bool, enum and string.",
      [
        ["name", "fields", "meaning"],
        ...allAggregates().map(({ name, description, fields }) => [code(name), fields, description]),
      ],
    ),
    table("Time formats", "Values of `time.format`; anything else is a pattern of the directives below.", [
      ["format", "meaning"],
      ...Object.entries(TIME_FORMATS).map(([name, meaning]) => [code(name), meaning]),
    ]),
    table("Directives of time patterns", "After strptime; other characters stand for themselves.", [
      ["directive", "meaning"],
      ...Object.entries(TIME_DIRECTIVES).map(([name, meaning]) => [code(name), meaning]),
    ]),
    table("Functions of expressions", "Every number is a double. `x.f(y)` is the same as `f(x, y)`.", [
      ["function", "meaning"],
      ...[...FUNCTIONS.values()].map(({ signature, description }) => [code(signature), description]),
    ]),
  ].join("");
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(title: string, about: string, [head, ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const lines = [line(head!), `|${"---|".repeat(head!.length)}`, ...rows.map(line)];
  return `\n## ${title}\n\n${about}\n\n${lines.join("\n")}\n`;
}
