/**
 * Expressions of profiles: a subset of CEL (github.com/google/cel-spec) that a gateway may run on any payload.
 *
 * The grammar and its limits are those of @marcbachmann/cel-js, which is used as the parser only. Its tree is
 * checked and compiled to closures here, because a profile needs other rules than CEL's evaluator has:
 *
 * - All numbers are doubles. In CEL `5 / 9` is the integer 0, and comparing a measured 20.0 with 20 is an error.
 * - Absence is no error but a value that travels: an operation on something absent is absent, `&&` and `||` are
 *   decided by the other side where that suffices (as CEL does with errors), and in the end an absent condition
 *   is false and an absent result is a missing value. `has(x)` and `orElse(x, y)` ask for it.
 * - No regular expressions and no comprehensions: work is linear in the length of the expression.
 * - No way out of the data: names and members are looked up among own properties only.
 */

import { type ASTNode, Environment, ParseError } from "@marcbachmann/cel-js";
import { WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import { nearest } from "../model/nearest.js";
import { isTolerant } from "../schema/tolerance.js";
import { FUNCTIONS } from "./expression-functions.js";
import { compileBinary, isBinary } from "./expression-operators.js";
import {
  asBool,
  type BoolCode,
  type Code,
  type ExpressionType,
  isAbsent,
  member,
  type Scope,
  valuesHint,
  withValues,
} from "./expression-value.js";

const environment = new Environment({
  unlistedVariablesAreDyn: true,
  limits: {
    maxAstNodes: LIMITS.expressionCharactersMax,
    maxDepth: 32,
    maxListElements: 64,
    maxMapEntries: 1,
    maxCallArguments: 8,
  },
});

/** The names an expression may use. */
export type Names = ReadonlyMap<string, Code>;

/**
 * Parses and type-checks an expression.
 * @param accepted types that the result may have
 * @throws WeirError `bad-expression`, with the character at which it goes wrong
 */
export function compileExpression(text: string, names: Names, accepted: readonly ExpressionType[]): Code {
  if (text.length > LIMITS.expressionCharactersMax) {
    throw new WeirError(
      "bad-expression",
      `the expression is longer than ${LIMITS.expressionCharactersMax} characters`,
      { hint: "give parts of it a field of their own, with compute" },
    );
  }
  if (!isTolerant()) refuseComment(text);
  const code = compile(parse(text), names);
  if (!accepted.includes(code.type)) {
    throw new WeirError("bad-expression", `the expression is of type ${code.type}`, {
      hint: `it should be of type ${accepted.filter((type) => type !== "any").join(" or ")}`,
    });
  }
  return code;
}

/** CEL has comments. Who writes `x // 2` means a division, and would silently have x. */
function refuseComment(text: string): void {
  for (const { 0: found, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\/\//g)) {
    if (found !== "//") continue;
    throw new WeirError("bad-expression", `what follows // is not read, at character ${index + 1}`, {
      hint: "divide with /, and floor(x / y) for a whole number; a comment goes behind # outside of the expression",
    });
  }
}

/** A condition on a message: `msg` is the decoded payload, `topic` the MQTT topic. Absent is false. */
export function compileCondition(text: string): (message: unknown, topic: string | undefined) => boolean {
  const names: Names = new Map<string, Code>([
    ["msg", { type: "any", run: (scope) => scope.message }],
    ["topic", { type: "text", run: (scope) => scope.topic }],
  ]);
  const { run } = compileExpression(text, names, ["bool", "any"]);
  const scope: Scope = { values: [], message: undefined, topic: undefined };
  return (message, topic) => {
    scope.message = message;
    scope.topic = topic;
    return run(scope) === true;
  };
}

function parse(text: string): ASTNode {
  try {
    return environment.parse(text).ast;
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const { range } = error;
    const at = range === undefined ? "" : ` at character ${range.start + 1}`;
    // The parser names one that is further on.
    const [character = ""] = text.slice(range?.start ?? text.length);
    const summary = lowerFirst(error.summary)
      .replace(/(?<=^unexpected character: ').+(?='$)/u, (said) => character || said)
      .replace(/(?<=^(?:unexpected|expected .+, got) )(?:token: )?([A-Z]+)$/, (_, token) => tokenText(token))
      .replace(/(?<=^expected )[A-Z]+/, tokenText);
    throw new WeirError("bad-expression", `${summary}${at}`, { cause: error, hint: hintOf(summary, text) });
  }
}

/** The parser's names of what is written otherwise. */
const TOKENS: Readonly<Record<string, string>> = {
  EOF: "end",
  IDENTIFIER: "a name",
  NUMBER: "a number",
  STRING: "a text",
  LPAREN: "(",
  RPAREN: ")",
  LBRACKET: "[",
  RBRACKET: "]",
  RBRACE: "}",
  COLON: ":",
  COMMA: ",",
  DOT: ".",
  QUESTION: "?",
  PLUS: "+",
  MULTIPLY: "*",
  DIVIDE: "/",
  MODULO: "%",
  EQ: "==",
  NE: "!=",
  LT: "<",
  LE: "<=",
  GT: ">",
  GE: ">=",
  AND: "&&",
  OR: "||",
};

function tokenText(token: string): string {
  return TOKENS[token] ?? token;
}

function hintOf(summary: string, text: string): string {
  if (/^reserved identifier: (?:if|else)$/.test(summary)) return "write c ? x : y";
  if (summary.startsWith("reserved identifier")) return "a field of that name cannot be used here: rename it";
  if (summary.includes("escape")) return "write two backslashes for one";
  const slip = SLIPS.find(([it]) => it.test(withoutTexts(text)));
  if (slip !== undefined) return slip[1];
  const closing = /^expected ([)\]}])/.exec(summary)?.[1];
  if (closing !== undefined) return `close what is open with ${closing}`;
  if (/^unexpected character: '[)\]}]'/.test(summary)) return "remove it, or open it before";
  return summary === "unexpected end" ? "something is missing at the end" : OPERATORS;
}

/** What comes from other languages, and what is written here. */
const SLIPS: readonly (readonly [RegExp, string])[] = [
  [/[“”„‘’]/, "write straight quotes"],
  [/["']/, "close the quotes"],
  [/===|!==/, "write == or !="],
  [/<>/, "write !="],
  [/=</, "write <="],
  [/=>/, "write >="],
  [/(?<![=!<>])=(?!=)/, "write == to compare"],
  [/\band\b/i, "write &&"],
  [/\bor\b/i, "write ||"],
  [/\bnot\b/i, "write !"],
];
const OPERATORS = "operators are == != < <= > >= + - * / % in && || ! and c ? x : y";

const COMPARISONS: ReadonlySet<string> = new Set(["<", "<=", ">", ">="]);

function withoutTexts(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, "0");
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

function fail(node: ASTNode, message: string, hint = OPERATORS): never {
  throw new WeirError("bad-expression", `${message} at character ${node.pos + 1}`, { hint });
}

function compile(node: ASTNode, names: Names): Code {
  switch (node.op) {
    case "value":
      return literal(node, node.args);
    case "id":
      return names.get(node.args) ?? unknownName(node, node.args, names);
    case ".": {
      const key = node.args[1];
      return access(node, compile(node.args[0], names), { type: "text", run: () => key });
    }
    case "[]":
      return access(node, compile(node.args[0], names), compile(node.args[1], names));
    case "call":
      return call(node, node.args[0], node.args[1], names);
    case "rcall":
      return call(node, node.args[0], [node.args[1], ...node.args[2]], names);
    case "?:":
      return ternary(node, node.args, names);
    case "||":
    case "&&":
      return logic(node.op === "||", node.args, names);
    case "!_": {
      const operand = truth(node.args, compile(node.args, names));
      return { type: "bool", run: (scope) => negate(operand(scope)) };
    }
    case "-_":
      return (
        compileBinary("-", { type: "number", run: () => 0 }, compile(node.args, names)) ??
        fail(node, "- needs a number")
      );
    case "list":
      return list(node.args.map((element) => compile(element, names)));
  }
  if (isBinary(node.op)) return binary(node, node.op, node.args as readonly [ASTNode, ASTNode], names);
  return fail(node, "maps cannot be written in an expression", "write values, lists and names");
}

function literal(node: ASTNode, value: unknown): Code {
  if (typeof value === "number" || typeof value === "bigint") {
    const number = Number(value);
    return { type: "number", run: () => number };
  }
  if (typeof value === "string") return { type: "text", literal: value, written: [value], run: () => value };
  if (typeof value === "boolean") return { type: "bool", run: () => value };
  if (value === null) return { type: "null", run: () => null };
  return fail(
    node,
    "bytes and unsigned numbers cannot be written in an expression",
    "write a plain number or text",
  );
}

function unknownName(node: ASTNode, name: string, names: Names): never {
  const known = [...names.keys()];
  const guess = nearest(name, known);
  const hint = guess === undefined ? `known here: ${known.join(", ")}` : `did you mean ${guess}?`;
  return fail(node, `${name} is not known here`, hint);
}

function access(node: ASTNode, container: Code, key: Code): Code {
  if (container.type !== "any")
    return fail(node, `a ${container.type} has no members`, "only msg has, such as msg.state");
  if (key.type !== "text" && key.type !== "number" && key.type !== "any") {
    return fail(node, "a member is named by text or number", 'such as msg["state"] or msg[0]');
  }
  const { run } = container;
  const at = key.run;
  return { type: "any", run: (scope) => member(run(scope), at(scope)) };
}

function call(node: ASTNode, name: string, args: readonly ASTNode[], names: Names): Code {
  const known = FUNCTIONS.get(name);
  if (known === undefined) {
    const guess = nearest(name, [...FUNCTIONS.keys()]);
    const hint =
      guess === undefined ? `functions are ${[...FUNCTIONS.keys()].join(", ")}` : `did you mean ${guess}?`;
    return fail(node, `there is no function ${name}`, hint);
  }
  if (args.length < known.argumentsMin || args.length > known.argumentsMax) {
    return fail(node, `${name} does not take ${args.length} arguments`, `it is ${known.signature}`);
  }
  const compiled = args.map((argument) => compile(argument, names));
  const types = compiled.map((argument) => argument.type).join(", ");
  return (
    known.compile(compiled) ?? fail(node, `${name} does not take (${types})`, `it is ${known.signature}`)
  );
}

function truth(node: ASTNode, code: Code): BoolCode {
  return asBool(code) ?? fail(node, `expected a condition, not a ${code.type},`, "compare it with something");
}

function negate(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}

/** `false && absent` is false and `true || absent` is true, whichever side comes first. */
function logic(decisive: boolean, [left, right]: readonly [ASTNode, ASTNode], names: Names): Code {
  const a = truth(left, compile(left, names));
  const b = truth(right, compile(right, names));
  const run = (scope: Scope): boolean | undefined => {
    const first = a(scope);
    if (first === decisive) return decisive;
    const second = b(scope);
    if (second === decisive) return decisive;
    return first === undefined || second === undefined ? undefined : !decisive;
  };
  return { type: "bool", run };
}

function ternary(node: ASTNode, [test, yes, no]: readonly [ASTNode, ASTNode, ASTNode], names: Names): Code {
  const condition = truth(test, compile(test, names));
  const a = compile(yes, names);
  const b = compile(no, names);
  if (a.type !== b.type && a.type !== "any" && b.type !== "any") {
    return fail(node, `both results need one type, not ${a.type} and ${b.type},`, "make both the same");
  }
  const type = a.type === b.type ? a.type : "any";
  const absent = type === "number" ? Number.NaN : undefined;
  const run = (scope: Scope): unknown => {
    const chosen = condition(scope);
    return chosen === undefined ? absent : chosen ? a.run(scope) : b.run(scope);
  };
  return { type, run, ...withValues(a, b) };
}

function list(elements: readonly Code[]): Code {
  return { type: "list", run: (scope) => elements.map((element) => element.run(scope)) };
}

function binary(node: ASTNode, op: string, [left, right]: readonly [ASTNode, ASTNode], names: Names): Code {
  const a = compile(left, names);
  const b = compile(right, names);
  if (op === "in" && b.type !== "list" && b.type !== "any") {
    return fail(node, `in needs a list or an object, not a ${b.type},`, 'write x in ["a", "b"]');
  }
  if (!isTolerant()) refusePointless(node, op, [a, b], [left, right], names);
  const isChain = COMPARISONS.has(op) && COMPARISONS.has(left.op);
  const hint = isChain ? "join two comparisons with &&, as in 1 < x && x < 2" : OPERATORS;
  return compileBinary(op, a, b) ?? fail(node, `${op} is not defined for ${a.type} and ${b.type},`, hint);
}

/** What can be computed, and always comes to the same. */
function refusePointless(
  node: ASTNode,
  op: string,
  [a, b]: readonly [Code, Code],
  [left, right]: readonly [ASTNode, ASTNode],
  names: Names,
): void {
  if (op === "==" || op === "!=") {
    refuseStrange(right, a, b);
    refuseStrange(left, b, a);
    refuseNever(node, a, b);
  } else if (op === "in" && right.op === "list") {
    for (const element of right.args) {
      const item = compile(element, names);
      refuseStrange(left, item, a);
      refuseElement(element, a, item);
    }
  } else if ((op === "/" || op === "%") && right.op === "value" && Number(right.args) === 0) {
    fail(right, "nothing can be divided by 0,", "give another divisor");
  }
}

/** What a value that is looked for in a list is never equal to. */
function refuseElement(node: ASTNode, a: Code, element: Code): void {
  refuseStrange(node, a, element);
  refuseNever(node, a, element);
  if (compileBinary("==", a, element) === undefined) {
    fail(node, `a ${a.type} is never a ${element.type},`, `remove it, or make it a ${a.type}`);
  }
}

/** What is never equal, or never null: only in a message is there such a thing. */
function refuseNever(node: ASTNode, a: Code, b: Code): void {
  const isTyped = ({ type }: Code) => type !== "any" && type !== "null";
  if ((a.type === "null" && isTyped(b)) || (b.type === "null" && isTyped(a))) {
    fail(node, "a field is never null, it is there or not", "ask has(x), or !has(x)");
  }
  if (a.values === undefined || b.values === undefined) return;
  if (a.values.length === 0 || b.values.length === 0 || a.values.some((text) => b.values!.includes(text)))
    return;
  fail(node, `what is one of ${a.values.join(", ")} is never one of ${b.values.join(", ")}`, "remove it");
}

/** A field of a few texts is never any other: who asks for one has misspelt it, unless it is what stands for none. */
function refuseStrange(node: ASTNode, { values = [] }: Code, { literal }: Code): void {
  if (literal === undefined || values.length === 0 || values.includes(literal)) return;
  fail(node, `"${literal}" is none of the field's values`, valuesHint(literal, values));
}

/** The value of a computed expression as a field keeps it: NaN where it is absent or not finite. */
export function resultOf(value: unknown): number | string {
  if (typeof value === "number") return Number.isFinite(value) ? value : Number.NaN;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value !== "string" || isAbsent(value)) return Number.NaN;
  return value.length <= LIMITS.textValueCharactersMax ? value : Number.NaN;
}
