import { LIMITS } from "../model/limits.js";
import { isTolerant } from "../schema/tolerance.js";
import {
  asNumber,
  asText,
  type Code,
  type ExpressionType,
  isAbsent,
  type NumberCode,
  type Scope,
  sizeOf,
  type TextCode,
  withValues,
} from "./expression-value.js";
import { PLACES_MAX, parseNumber, roundTo } from "./number.js";

/** One function of the expression language. `x.f(y)` and `f(x, y)` are the same. */
export interface ExpressionFunction {
  /** For reference documentation: `pow(x, y)`. */
  readonly signature: string;
  readonly description: string;
  readonly argumentsMin: number;
  readonly argumentsMax: number;
  /** @returns undefined where an argument has a type that it cannot take */
  compile(args: readonly Code[]): Code | undefined;
}

function numeric(
  signature: string,
  description: string,
  count: readonly [number, number],
  build: (args: readonly NumberCode[]) => NumberCode,
): ExpressionFunction {
  return {
    signature,
    description,
    argumentsMin: count[0],
    argumentsMax: count[1],
    compile(args) {
      const numbers = args.map(asNumber);
      return numbers.every((n) => n !== undefined) ? { type: "number", run: build(numbers) } : undefined;
    },
  };
}

function unary(name: string, description: string, apply: (x: number) => number): ExpressionFunction {
  return numeric(`${name}(x)`, description, [1, 1], ([x]) => {
    const run = x!;
    return (scope) => apply(run(scope));
  });
}

function textTest(
  name: string,
  description: string,
  test: (text: string, part: string) => boolean,
): ExpressionFunction {
  return {
    signature: `${name}(text, part)`,
    description,
    argumentsMin: 2,
    argumentsMax: 2,
    compile(args) {
      const [text, part] = args.map(asText) as [TextCode | undefined, TextCode | undefined];
      if (text === undefined || part === undefined) return undefined;
      const run = (scope: Scope): boolean | undefined => {
        const a = text(scope);
        const b = part(scope);
        return a === undefined || b === undefined ? undefined : test(a, b);
      };
      return { type: "bool", run };
    },
  };
}

/** From some types to one: of any other there is nothing to be had. */
function conversion(
  name: string,
  description: string,
  [from, type]: readonly [readonly ExpressionType[], ExpressionType],
  apply: (value: unknown) => unknown,
): ExpressionFunction {
  return {
    signature: `${name}(x)`,
    description,
    argumentsMin: 1,
    argumentsMax: 1,
    compile(args) {
      const { type: given, run } = args[0]!;
      if (given !== "any" && !from.includes(given) && !isTolerant()) return undefined;
      return { type, run: (scope) => apply(run(scope)) };
    },
  };
}

function toNumber(value: unknown): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  return typeof value === "string" ? parseNumber(value) : Number.NaN;
}

function toText(value: unknown): string | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" && value.length <= LIMITS.textValueCharactersMax ? value : undefined;
}

const SCALAR = ["number", "text", "bool"] as const;

const ALL: readonly ExpressionFunction[] = [
  unary("abs", "Magnitude.", Math.abs),
  unary("floor", "Largest whole number not above x.", Math.floor),
  unary("ceil", "Smallest whole number not below x.", Math.ceil),
  unary("sqrt", "Square root; absent below 0.", Math.sqrt),
  unary("exp", "e to the power of x.", Math.exp),
  unary("ln", "Natural logarithm; absent below 0.", Math.log),
  unary("log10", "Decimal logarithm; absent below 0.", Math.log10),
  unary("sin", "Sine of x radians.", Math.sin),
  unary("cos", "Cosine of x radians.", Math.cos),
  unary("tan", "Tangent of x radians.", Math.tan),
  numeric(
    "round(x, digits?)",
    `Half away from zero, to so many decimal places (0), ${PLACES_MAX} at most; absent for other numbers of them.`,
    [1, 2],
    ([x, d]) => {
      const digits: NumberCode = d ?? (() => 0);
      return (scope) => {
        const places = Math.trunc(digits(scope));
        return places >= 0 && places <= PLACES_MAX ? roundTo(x!(scope), places) : Number.NaN;
      };
    },
  ),
  numeric("pow(x, y)", "x to the power of y.", [2, 2], ([x, y]) => {
    return (scope) => x!(scope) ** y!(scope);
  }),
  numeric("min(x, y, …)", "Smallest; absent if one is absent.", [2, 8], (list) => {
    return (scope) => list.reduce((least, x) => Math.min(least, x(scope)), Number.POSITIVE_INFINITY);
  }),
  numeric("max(x, y, …)", "Largest; absent if one is absent.", [2, 8], (list) => {
    return (scope) => list.reduce((most, x) => Math.max(most, x(scope)), Number.NEGATIVE_INFINITY);
  }),
  numeric("clamp(x, low, high)", "x, or the bound that it is beyond.", [3, 3], ([x, low, high]) => {
    return (scope) => Math.min(Math.max(x!(scope), low!(scope)), high!(scope));
  }),
  conversion("double", "Number from a number, text or truth value.", [SCALAR, "number"], toNumber),
  conversion("int", "The same, without the fraction.", [SCALAR, "number"], (value) =>
    Math.trunc(toNumber(value)),
  ),
  conversion("string", "Text of a number, text or truth value.", [SCALAR, "text"], toText),
  conversion("size", "Number of characters, elements or members.", [["text", "list"], "number"], sizeOf),
  textTest("startsWith", "Whether the text begins with the part.", (a, b) => a.startsWith(b)),
  textTest("endsWith", "Whether the text ends with the part.", (a, b) => a.endsWith(b)),
  textTest("contains", "Whether the part occurs in the text.", (a, b) => a.includes(b)),
  {
    signature: "has(x)",
    description: "Whether x is there. The one question that absence answers with false.",
    argumentsMin: 1,
    argumentsMax: 1,
    compile: ([x]) => ({ type: "bool", run: (scope) => !isAbsent(x!.run(scope)) }),
  },
  {
    signature: "orElse(x, y)",
    description: "x where it is there, else y.",
    argumentsMin: 2,
    argumentsMax: 2,
    compile([x, y]) {
      const type = x!.type === y!.type ? x!.type : "any";
      if (type === "any" && x!.type !== "any" && y!.type !== "any") return undefined;
      const run = (scope: Scope): unknown => {
        const value = x!.run(scope);
        return isAbsent(value) ? y!.run(scope) : value;
      };
      return { type, run, ...withValues(x!, y!) };
    },
  },
];

/** By name. */
export const FUNCTIONS: ReadonlyMap<string, ExpressionFunction> = new Map(
  ALL.map((f) => [f.signature.slice(0, f.signature.indexOf("(")), f]),
);
