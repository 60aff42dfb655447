import { LIMITS } from "../model/limits.js";
import { byteSize, count, jsonPointer } from "../schema/types.js";
import { withRule, z } from "../schema/zod.js";

const maxBytes = byteSize({ maxBytes: LIMITS.payloadBytesMax }).prefault("64KiB").meta({
  description: "Longest payload; longer ones are counted as tooLarge.",
});

const encoding = z.enum(["utf-8", "latin1"]).default("utf-8").meta({
  description:
    "Encoding of the text. Bytes that are not valid UTF-8 make a payload invalid; any byte is valid latin1.",
});

const decimal = z.enum([".", ","]).default(".").meta({
  description:
    "The decimal mark of numbers. With `,` a number written with a point is read as well, unless the point is the `thousands` mark between groups of three digits.",
});

const thousands = z.string().min(1).max(1).optional().meta({
  description:
    "A mark between groups of three digits that is left out, such as a no-break space (any kind of blank then is one). None by default.",
});

const missing = z.array(z.string().max(64)).max(32).default([]).meta({
  description: "Texts that mean that there is no value, besides the empty one: `NA`, `?`, `null`.",
});

const json = z.strictObject({
  format: z.literal("json").meta({ description: "JSON (RFC 8259); fields are found by JSON Pointer." }),
  maxBytes,
  records: jsonPointer().optional().meta({
    description:
      "Pointer to a list whose items are one reading each; empty for the payload itself. Without it the payload is one reading.",
  }),
});

/** Of two columns with one name only the first could be read. */
function columnNames() {
  return withRule(z.array(z.string().min(1).max(64)).min(1).max(1024), (names, report) => {
    const seen = new Map<unknown, number>();
    for (const [index, name] of Object.values(names).entries()) {
      const first = seen.get(name);
      if (first === undefined) {
        seen.set(name, index);
        continue;
      }
      const message = `column ${first + 1} has the name "${name}" already`;
      const hint = `each needs its own; "#${index + 1}" asks for a column without its name`;
      report({ code: "duplicate-name", message, hint, path: [index] });
    }
  });
}

const csv = z.strictObject({
  format: z
    .literal("csv")
    .meta({ description: "Rows of separated columns; fields are found by name or `#3`." }),
  maxBytes,
  separator: z
    .string()
    .regex(/^(whitespace|[^"\r\n])$/)
    .default(",")
    .meta({ description: "The character between columns, or `whitespace` for any run of blanks and tabs." }),
  header: z.boolean().default(false).meta({
    description: "Whether the first row names the columns. In a file or on a serial line it comes once.",
  }),
  columns: columnNames().optional().meta({
    description: "Names of the columns where no header gives them.",
  }),
  quote: z.string().max(1).default('"').meta({
    description: "The character around columns that contain separators, doubled within; empty for none.",
  }),
  encoding,
  decimal,
  thousands,
  missing,
  fieldCount: count({ max: 1024 }).optional().meta({
    description: "Rows with another number of columns are invalid.",
  }),
});

const kv = z.strictObject({
  format: z.literal("kv").meta({ description: "Pairs such as `temp=21.4;hum=40`; fields are found by key." }),
  maxBytes,
  separator: z
    .string()
    .regex(/^(whitespace|[^\r\n])$/)
    .default("whitespace")
    .meta({ description: "The character between pairs, or `whitespace`." }),
  assign: z.string().min(1).max(1).default("=").meta({ description: "The character between key and value." }),
  encoding,
  decimal,
  thousands,
  missing,
});

/** `decode`: how bytes become records. */
export const decodeSchema = z.discriminatedUnion("format", [json, csv, kv]).meta({
  description: "How the bytes of a payload are read: `json`, `csv` or `kv` (key=value).",
});
