import { LIMITS } from "../model/limits.js";
import { FIELD_TYPES, type FieldType } from "../model/profile.js";
import { convert, unitsLike } from "../model/units.js";
import { count, duration } from "../schema/types.js";
import { type Unchecked, withRule, z } from "../schema/zod.js";
import { bounds, unit } from "./schema-parts.js";

const token = z.union([z.string().max(64), z.number(), z.boolean()]);

/** Keys that make sense only for fields that are read and are numbers. */
const NUMERIC = ["unit", "as", "scale", "offset", "resolution", "rollover", "range", "plausible"] as const;
const READ_ONLY = ["as", "scale", "offset", "missing", "whenTrue", "whenFalse"] as const;

const fieldObject = z.strictObject({
  from: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .meta({
      description:
        "Where the value is: a JSON Pointer, a column's name or number (`#3`), or a key. Or use `compute`.",
      examples: ["/SCD40/Temperature", "temperature", "#3"],
    }),
  compute: z
    .string()
    .min(1)
    .optional()
    .meta({
      description:
        "An expression over the fields before this one, in the units they are kept in, after cleaning. All numbers are doubles; where a field is missing, so is the result.",
      examples: ["temperature * 1.8 + 32"],
    }),
  type: z.enum(FIELD_TYPES).default("float").meta({
    description:
      "float: any number. int: whole numbers. decimal: rounded to `digits` places. bool: kept as 0 and 1. enum: one of `values`. string: text of at most 256 characters.",
  }),
  digits: count({ min: 0, max: 9 }).optional().meta({
    description: "Decimal places of a `decimal`; values are rounded to them, half away from zero.",
  }),
  unit: unit()
    .optional()
    .meta({ description: "Unit of the value as read (and after `scale` and `offset`)." }),
  as: unit().optional().meta({ description: "Unit in which the value is kept; converted from `unit`." }),
  scale: z.number().optional().meta({ description: "Factor on the value as read; before `offset`." }),
  offset: z.number().optional().meta({ description: "Added to the value as read, after `scale`." }),
  resolution: z
    .number()
    .min(LIMITS.resolutionMin)
    .max(LIMITS.resolutionMax)
    .optional()
    .meta({
      description:
        "Smallest step of the values, in the unit kept, such as 0.1: quantiles then have an absolute error, and none while a window's values span no more than 320 steps; without it a relative one.",
      examples: [0.1, 0.25],
    }),
  kind: z.enum(["gauge", "counter"]).default("gauge").meta({
    description:
      "gauge: goes up and down. counter: counts up, and starts anew at 0 when its device does or its digits end: see `rollover`.",
  }),
  rollover: z
    .union([z.literal("16bit"), z.literal("32bit"), z.number().positive()])
    .optional()
    .meta({
      description:
        "Of a counter: what it counts up to, in the unit kept, before it goes on from 0; `16bit` is 65536, `32bit` is 4294967296. A value lower than the one before by more than half of it has rolled over: the increase is their difference plus `rollover`. Any other fall, and every one without `rollover`, is a reset: the increase is the new value, counted from 0 (nothing, if that is negative).",
      examples: ["32bit", 99999.9],
    }),
  maxGap: duration({ minMs: 1 })
    .optional()
    .meta({
      description:
        "Longest time for which a value says what came after it. Aggregates over time (`timeAverage`, `total`, `durationIn`, `rate` …) leave out what is further behind a value; `durationGood` says how much is left. Default: no end.",
      examples: ["5m"],
    }),
  missing: z
    .array(z.union([z.string().max(64), z.number()]))
    .max(32)
    .optional()
    .meta({
      description: "Values, as read, that mean that there is none, such as a sensor's 85.0 or -127.",
    }),
  range: bounds(
    "Inclusive bounds, in the unit kept, beyond which a value is impossible. It is removed unless `clean` says otherwise.",
  ).optional(),
  plausible: bounds("Inclusive bounds, in the unit kept, that `clean` rules act on.").optional(),
  values: z
    .union([z.array(z.string().min(1).max(64)), z.record(z.string().max(64), z.string().min(1).max(64))])
    .optional()
    .meta({
      description: "Names of an enum's values; or a mapping from what is read to names.",
      examples: [["off", "heat", "cool"], { "0": "closed", "1": "open" }],
    }),
  whenTrue: z.array(token).min(1).max(16).optional().meta({
    description: "What reads as true. Default: true, 1, `true`, `on`, `yes`, `1` in any case.",
  }),
  whenFalse: z.array(token).min(1).max(16).optional().meta({
    description: "What reads as false. Default: false, 0, `false`, `off`, `no`, `0` in any case.",
  }),
});

/** One field; the rules name the key that is out of place. */
export const fieldSchema = withRule(fieldObject, (field, report) => {
  const has = (key: string): boolean => field[key] !== undefined;
  if (has("from") === has("compute")) {
    const message = has("from") ? "a field is either read or computed" : "a field needs a place to come from";
    report({ code: "bad-field", message, hint: "give either from or compute" });
  }
  const misplaced = (keys: readonly string[], allowed: boolean, why: string): void => {
    for (const key of allowed ? [] : keys.filter(has)) {
      report({ code: "bad-field", message: `"${key}" ${why}`, path: [key], at: "key", hint: "remove it" });
    }
  };
  misplaced(READ_ONLY, !has("compute"), "does not go with compute");
  if (Array.isArray(field.values)) {
    for (const [index, name] of field.values.entries()) {
      const first = field.values.indexOf(name);
      if (first === index) continue;
      const message = `the value ${JSON.stringify(name)} is listed twice`;
      report({ code: "duplicate-name", message, path: ["values", index], hint: "remove one" });
    }
  }
  if (has("rollover") && field.kind !== "counter") {
    report({
      code: "bad-field",
      message: '"rollover" is for counters',
      path: ["rollover"],
      at: "key",
      hint: "add kind: counter, or remove rollover",
    });
  }
  if (field.scale === 0) {
    const message = "a scale of 0 makes all values the same";
    report({ code: "bad-field", message, path: ["scale"], hint: "remove it, or give another factor" });
  }
  checkBounds(field, report);
  checkTokens(field, report);
  checkUnits(field, report);
  const type = writtenType(field);
  // What is no type is reported as that; nobody knows yet what goes with it.
  if (type === undefined) return;
  const numeric = type === "float" || type === "int" || type === "decimal";
  misplaced(NUMERIC, numeric, `does not go with the type ${type}`);
  misplaced(["digits"], type === "decimal", `does not go with the type ${type}`);
  misplaced(["values"], type === "enum", `does not go with the type ${type}`);
  misplaced(["whenTrue", "whenFalse"], type === "bool", `does not go with the type ${type}`);
  const { values = [] } = field;
  if (type === "enum" && typeof values === "object" && values !== null && Object.keys(values).length === 0) {
    const path = has("values") ? ["values"] : [];
    report({ code: "missing-key", message: "an enum needs its values", path, hint: "values: [off, on]" });
  }
  if (type === "decimal" && !has("digits")) {
    report({ code: "missing-key", message: "a decimal needs its digits", hint: "digits: 2" });
  }
  if (field.kind === "counter" && !numeric) {
    const message = `a ${type} does not count up`;
    report({
      code: "bad-field",
      message,
      path: ["kind"],
      hint: "counters are of type float, int or decimal",
    });
  }
});

/** The type of a field as it is written; undefined where that is none. */
export function writtenType({ type = "float" }: Unchecked): FieldType | undefined {
  return FIELD_TYPES.find((each) => each === type);
}

type Report = Parameters<Parameters<typeof withRule>[1]>[1];

/** What is plausible must be possible. */
function checkBounds({ range, plausible }: Unchecked, report: Report): void {
  if (!isBounds(range) || !isBounds(plausible)) return;
  if (plausible[0] <= range[1] && range[0] <= plausible[1]) return;
  const message = `no value is both in the range [${range.join(", ")}] and plausible`;
  report({ code: "bad-bounds", message, path: ["plausible"], hint: "give bounds within the range" });
}

function isBounds(value: unknown): value is readonly [number, number] {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [low, high]: readonly unknown[] = value;
  return typeof low === "number" && typeof high === "number" && low <= high;
}

/** Nothing reads as both true and false; as the decoder does, in any case. */
function checkTokens({ whenTrue, whenFalse }: Unchecked, report: Report): void {
  if (!Array.isArray(whenTrue) || !Array.isArray(whenFalse)) return;
  const fold = (token: unknown): string => String(token).toLowerCase();
  const trues = new Set(whenTrue.map(fold));
  for (const [index, token] of whenFalse.entries()) {
    if (!trues.has(fold(token))) continue;
    const message = `${JSON.stringify(token)} reads as true already`;
    report({ code: "bad-field", message, path: ["whenFalse", index], hint: "remove it from one of the two" });
  }
}

function checkUnits(field: Unchecked, report: Report): void {
  const { unit: from, as: to } = field;
  if (typeof to !== "string") return;
  if (from === undefined) {
    report({
      code: "bad-unit",
      message: "to convert, the unit as read is needed",
      path: ["as"],
      hint: "add unit",
    });
  } else if (typeof from === "string" && convert(from, to) === undefined) {
    const like = unitsLike(from).filter((name) => name !== from);
    const hint = like.length === 0 ? "remove as" : `what goes with ${from} is ${like.join(", ")}`;
    report({ code: "bad-unit", message: `${from} cannot be converted to ${to}`, path: ["as"], hint });
  }
}

/** A field as it is after validation, with its defaults. */
export type FieldDocument = z.output<typeof fieldSchema>;
