import { nearest } from "../model/nearest.js";

/** What expressions compute with. Absence travels as a value: NaN for numbers, undefined for everything else. */

/** `any` is what comes out of a message: its type is known when it is read. */
export type ExpressionType = "number" | "text" | "bool" | "any" | "null" | "list";

/** What the names of an expression stand for while it runs. */
export interface Scope {
  values: readonly (number | string)[];
  message: unknown;
  topic: string | undefined;
}

/** A compiled expression or part of one. Never throws. */
export interface Code {
  readonly type: ExpressionType;
  readonly run: (scope: Scope) => unknown;
  /** The only texts that it can be, of a field that has such. */
  readonly values?: readonly string[];
  /** The text that it is, where it is one written out. */
  readonly literal?: string;
  /** The texts written out in it that it can be. */
  readonly written?: readonly string[];
}

export type NumberCode = (scope: Scope) => number;
export type TextCode = (scope: Scope) => string | undefined;
export type BoolCode = (scope: Scope) => boolean | undefined;

export function isAbsent(value: unknown): value is undefined {
  return value === undefined || (typeof value === "number" && Number.isNaN(value));
}

/** The code as a number, or undefined where its type can never be one. Of `any`, other values are absent. */
export function asNumber(code: Code): NumberCode | undefined {
  if (code.type === "number") return code.run as NumberCode;
  if (code.type !== "any") return undefined;
  const { run } = code;
  return (scope) => {
    const value = run(scope);
    return typeof value === "number" ? value : Number.NaN;
  };
}

export function asText(code: Code): TextCode | undefined {
  if (code.type === "text") return code.run as TextCode;
  if (code.type !== "any") return undefined;
  const { run } = code;
  return (scope) => {
    const value = run(scope);
    return typeof value === "string" ? value : undefined;
  };
}

export function asBool(code: Code): BoolCode | undefined {
  if (code.type === "bool") return code.run as BoolCode;
  if (code.type !== "any") return undefined;
  const { run } = code;
  return (scope) => {
    const value = run(scope);
    return typeof value === "boolean" ? value : undefined;
  };
}

/** Of what is the one or the other: the texts that it can be, where those of both are known, and those written out. */
export function withValues(a: Code, b: Code): Pick<Code, "values" | "written"> {
  const written = [...(a.written ?? []), ...(b.written ?? [])];
  const [some, others] = [valuesOf(a), valuesOf(b)];
  if (some === undefined || others === undefined) return { written };
  return { written, values: [...new Set([...some, ...others])] };
}

function valuesOf({ values, literal }: Code): readonly string[] | undefined {
  return literal === undefined ? values : [literal];
}

/** The remedy where a text is none of a field's values. */
export function valuesHint(text: string, values: readonly string[]): string {
  const guess = nearest(text, values);
  return guess === undefined ? `values are ${values.join(", ")}` : `did you mean ${guess}?`;
}

/** A member of a message: own properties only, so that `__proto__` and `constructor` are just names. */
export function member(container: unknown, key: unknown): unknown {
  if (typeof container !== "object" || container === null) return undefined;
  if (Array.isArray(container)) return typeof key === "number" ? container[key] : undefined;
  if (typeof key !== "string") return undefined;
  if (container instanceof Map) return container.get(key);
  return Object.hasOwn(container, key) ? (container as Record<string, unknown>)[key] : undefined;
}

/** Of which some take two places in a text; a list of them would take several times as much as the text. */
function charactersOf(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length - 1; i++) {
    if (text.codePointAt(i)! > 0xffff) {
      count--;
      i++;
    }
  }
  return count;
}

/** Number of characters, elements or members; NaN for what has none. */
export function sizeOf(value: unknown): number {
  if (typeof value === "string") return charactersOf(value);
  if (Array.isArray(value)) return value.length;
  if (value instanceof Map) return value.size;
  return typeof value === "object" && value !== null ? Object.keys(value).length : Number.NaN;
}
