/** JSON Schema of what a person may write (before defaults and transformations), for editors and the reference. */
import { z } from "./zod.js";

/** The part of JSON Schema (draft 2020-12) that zod writes for our schemas. */
export interface JsonSchema {
  readonly $schema?: string;
  readonly $id?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  /** How a text is written: `duration`, `size`, `rate`, `pointer`, … */
  readonly "x-form"?: string;
}

export interface SchemaHead {
  readonly title: string;
  readonly description?: string;
}

export function toJsonSchema(schema: z.ZodType, head: SchemaHead): JsonSchema {
  const { $schema, ...body } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    override: ({ jsonSchema }) => {
      // The bounds of exact whole numbers say nothing to a person.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return { ...($schema === undefined ? {} : { $schema }), ...head, ...(body as JsonSchema) };
}

/** The file's text as it is committed. */
export function jsonSchemaText(schema: z.ZodType, head: SchemaHead): string {
  return `${JSON.stringify(toJsonSchema(schema, head), null, 2)}\n`;
}
