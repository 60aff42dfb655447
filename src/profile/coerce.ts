/**
 * From what a decoder finds in a payload to the value that a field keeps:
 * text to its type, sentinels out, scale and offset, unit, rounding; in that order.
 *
 * A value that is there but is not of the field's type is told apart from one that is missing, so that it can be
 * counted: `undefined` is unreadable, NaN is missing.
 */

import { LIMITS } from "../model/limits.js";
import { type FieldValue, MISSING } from "../model/reading.js";
import { converter } from "../model/units.js";
import { parseNumber, roundTo } from "./number.js";
import type { FieldDocument } from "./schema-fields.js";

export type Coercion = (raw: unknown) => FieldValue | undefined;

/** @param field as validated; `values` of an enum as `enumNames` gives them */
export function compileCoercion(field: FieldDocument): Coercion {
  switch (field.type) {
    case "bool":
      return truthCoercion(field);
    case "enum":
      return enumCoercion(field);
    case "string":
      return textCoercion(field);
    default:
      return numberCoercion(field);
  }
}

/** Names of an enum's values in their order. */
export function enumNames(values: FieldDocument["values"]): readonly string[] {
  return [...new Set(Array.isArray(values) ? values : Object.values(values ?? {}))];
}

/** What every number of a field goes through last: whole, or rounded, as its type says. */
export function finishNumber(field: Pick<FieldDocument, "type" | "digits">): (value: number) => number {
  if (field.type === "int") return whole;
  if (field.type !== "decimal") return (value) => value;
  const digits = field.digits ?? 0;
  return (value) => roundTo(value, digits);
}

/** A scaled whole number may be off by rounding; a fraction is not a whole number. */
function whole(value: number): number {
  const rounded = Math.round(value);
  const off = Math.abs(value - rounded);
  return off <= 1e-9 * Math.max(1, Math.abs(rounded)) && Number.isSafeInteger(rounded) ? rounded : Number.NaN;
}

function numberCoercion(field: FieldDocument): Coercion {
  const sentinels = (field.missing ?? []).filter((token) => typeof token === "number");
  const words = (field.missing ?? []).filter((token) => typeof token === "string");
  const steps = [scaling(field.scale, field.offset), conversion(field), finishNumber(field)];
  const plain = field.type === "float" && field.scale === undefined && field.offset === undefined;
  const direct = plain && (field.as === undefined || field.as === field.unit);
  const finish = direct ? undefined : (value: number) => steps.reduce((x, step) => step(x), value);
  return (raw) => {
    let value: number;
    if (typeof raw === "number") value = raw;
    else if (raw === undefined) return MISSING;
    else if (typeof raw === "string") {
      if (raw === "" || words.includes(raw)) return MISSING;
      value = parseNumber(raw);
    } else return undefined;
    if (sentinels.length > 0 && sentinels.includes(value)) return MISSING;
    if (finish !== undefined) value = finish(value);
    // Infinity and NaN are no readings, whatever wrote them.
    return value - value === 0 ? value : undefined;
  };
}

/** By a tenth divides by ten, so that 3 becomes 0.3 and not 0.30000000000000004. */
function scaling(scale = 1, offset = 0): (value: number) => number {
  const inverse = Math.round(1 / scale);
  if (inverse > 1 && 1 / inverse === scale) return (value) => value / inverse + offset;
  return (value) => value * scale + offset;
}

function conversion(field: FieldDocument): (value: number) => number {
  const convert =
    field.unit === undefined || field.as === undefined ? undefined : converter(field.unit, field.as);
  return convert ?? ((value) => value);
}

function truthCoercion(field: FieldDocument): Coercion {
  const table = new Map<string, number>();
  const learn = (tokens: readonly unknown[], value: number): void => {
    for (const token of tokens) table.set(String(token).toLowerCase(), value);
  };
  learn(field.whenFalse ?? ["false", "0", "off", "no"], 0);
  learn(field.whenTrue ?? ["true", "1", "on", "yes"], 1);
  const missing = missingTest(field);
  return (raw) => {
    if (raw === undefined || missing(raw)) return MISSING;
    if (typeof raw === "object") return undefined;
    return table.get(String(raw).toLowerCase());
  };
}

function enumCoercion(field: FieldDocument): Coercion {
  const names = enumNames(field.values);
  const tokens = Array.isArray(field.values)
    ? field.values.map((name) => [name, name])
    : Object.entries(field.values ?? {});
  const table = new Map(tokens.map(([token, name]) => [token!, names.indexOf(name!)]));
  const missing = missingTest(field);
  return (raw) => {
    if (raw === undefined || missing(raw)) return MISSING;
    return typeof raw === "object" ? undefined : table.get(String(raw));
  };
}

function textCoercion(field: FieldDocument): Coercion {
  const missing = missingTest(field);
  return (raw) => {
    if (raw === undefined || missing(raw)) return MISSING;
    if (typeof raw !== "string") return typeof raw === "object" ? undefined : String(raw);
    return raw.length <= LIMITS.textValueCharactersMax ? raw : undefined;
  };
}

function missingTest(field: FieldDocument): (raw: unknown) => boolean {
  const tokens = field.missing ?? [];
  if (tokens.length === 0) return (raw) => raw === "" && field.type !== "string";
  const texts = tokens.map(String);
  return (raw) => (raw === "" && field.type !== "string") || texts.includes(String(raw));
}
