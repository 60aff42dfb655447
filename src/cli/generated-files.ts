/** The files that are written from the schemas: for editors and for readers. `scripts/generate` writes them. */
import { allAggregates } from "../aggregate/catalog.js";
import { createConfigSchema } from "../config/schema.js";
import { profileSchema } from "../profile/schema.js";
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

/** What profiles may name in the values of some keys: aggregates and functions, from their one definition. */
function catalogues(): string {
  const aggregates = allAggregates().map(({ name, description, text }) => {
    const where = text === true ? "all" : "numbers";
    return `| \`${name}\` | ${where} | ${description.replaceAll("|", "\\|")} |`;
  });
  return [
    "\n## Aggregates",
    "",
    "What a window may ask of a field. None of them depends on the order in which the readings arrived.",
    "",
    "| name | fields | meaning |",
    "|---|---|---|",
    ...aggregates,
    "",
  ].join("\n");
}
