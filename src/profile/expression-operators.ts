import { LIMITS } from "../model/limits.js";
import {
  asNumber,
  asText,
  type Code,
  isAbsent,
  member,
  type NumberCode,
  type Scope,
  type TextCode,
} from "./expression-value.js";

const BINARY = new Set(["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "in"]);

export function isBinary(op: string): boolean {
  return BINARY.has(op);
}

/** @returns undefined where the operator has no meaning for the operands' types */
export function compileBinary(op: string, a: Code, b: Code): Code | undefined {
  if (op === "in") return contains(a, b);
  if (op === "==" || op === "!=") return equality(op === "==", a, b);
  if (a.type === "any" && b.type === "any" && op !== "-" && op !== "*" && op !== "/" && op !== "%") {
    return op === "+" ? dynamicSum(a, b) : dynamicComparison(op, a, b);
  }
  const x = asNumber(a);
  const y = asNumber(b);
  if (x !== undefined && y !== undefined) return ofNumbers(op, x, y);
  const s = asText(a);
  const t = asText(b);
  return s !== undefined && t !== undefined ? ofTexts(op, s, t) : undefined;
}

function ofNumbers(op: string, x: NumberCode, y: NumberCode): Code {
  switch (op) {
    case "+":
      return { type: "number", run: (scope) => x(scope) + y(scope) };
    case "-":
      return { type: "number", run: (scope) => x(scope) - y(scope) };
    case "*":
      return { type: "number", run: (scope) => x(scope) * y(scope) };
    case "/":
      return { type: "number", run: (scope) => x(scope) / y(scope) };
    case "%":
      return { type: "number", run: (scope) => x(scope) % y(scope) };
  }
  const run = (scope: Scope): boolean | undefined => {
    const p = x(scope);
    const q = y(scope);
    return Number.isNaN(p) || Number.isNaN(q) ? undefined : ordered(op, p, q);
  };
  return { type: "bool", run };
}

function ofTexts(op: string, s: TextCode, t: TextCode): Code | undefined {
  if (op === "-" || op === "*" || op === "/" || op === "%") return undefined;
  if (op === "+") {
    return { type: "text", run: (scope) => joined(s(scope), t(scope)) };
  }
  const run = (scope: Scope): boolean | undefined => {
    const p = s(scope);
    const q = t(scope);
    return p === undefined || q === undefined ? undefined : ordered(op, p, q);
  };
  return { type: "bool", run };
}

function ordered<T extends number | string>(op: string, p: T, q: T): boolean {
  if (op === "<") return p < q;
  if (op === "<=") return p <= q;
  return op === ">" ? p > q : p >= q;
}

/** Texts that would grow without end are absent. */
function joined(p: string | undefined, q: string | undefined): string | undefined {
  if (p === undefined || q === undefined) return undefined;
  return p.length + q.length <= LIMITS.textValueCharactersMax ? p + q : undefined;
}

function dynamicSum(a: Code, b: Code): Code {
  const run = (scope: Scope): unknown => {
    const p = a.run(scope);
    const q = b.run(scope);
    if (typeof p === "number" && typeof q === "number") return p + q;
    return typeof p === "string" && typeof q === "string" ? joined(p, q) : undefined;
  };
  return { type: "any", run };
}

function dynamicComparison(op: string, a: Code, b: Code): Code {
  const run = (scope: Scope): boolean | undefined => {
    const p = a.run(scope);
    const q = b.run(scope);
    if (isAbsent(p) || isAbsent(q)) return undefined;
    if (typeof p === "number" && typeof q === "number") return ordered(op, p, q);
    return typeof p === "string" && typeof q === "string" ? ordered(op, p, q) : undefined;
  };
  return { type: "bool", run };
}

/** Values of different types are unequal; lists and objects are not compared. */
function equality(positive: boolean, a: Code, b: Code): Code | undefined {
  if (a.type === "list" || b.type === "list") return undefined;
  const open = a.type === "any" || b.type === "any" || a.type === "null" || b.type === "null";
  if (a.type !== b.type && !open) return undefined;
  const run = (scope: Scope): boolean | undefined => {
    const p = a.run(scope);
    const q = b.run(scope);
    if (isAbsent(p) || isAbsent(q)) return undefined;
    if ((typeof p === "object" && p !== null) || (typeof q === "object" && q !== null)) {
      return p === null || q === null ? !positive : undefined;
    }
    return (p === q) === positive;
  };
  return { type: "bool", run };
}

/** Whether a list has the value, or an object the member. What is absent in a list could be anything. */
function contains(a: Code, b: Code): Code | undefined {
  if (a.type === "list" || (b.type !== "list" && b.type !== "any")) return undefined;
  const run = (scope: Scope): boolean | undefined => {
    const item = a.run(scope);
    const container = b.run(scope);
    if (isAbsent(item)) return undefined;
    if (Array.isArray(container))
      return container.includes(item) || (container.some(isAbsent) ? undefined : false);
    if (typeof container !== "object" || container === null) return undefined;
    return member(container, item) !== undefined;
  };
  return { type: "bool", run };
}
