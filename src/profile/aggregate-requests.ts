import { type Aggregate, suits } from "../aggregate/aggregate.js";
import { aggregateNames, findAggregate, nearestAggregate } from "../aggregate/catalog.js";
import { soughtValue } from "../aggregate/duration-in.js";
import { nearest } from "../model/nearest.js";
import type { FieldType } from "../model/profile.js";
import type { Problem } from "../schema/zod.js";

/** What decides which aggregates a window may ask of a field. */
export interface RequestContext {
  /** By name. */
  readonly fields: ReadonlyMap<string, RequestedField>;
  /** Whether the profile says how often its devices send. */
  readonly hasPeriod: boolean;
  /** Kind of the window where it does not know what was done to single values. */
  readonly withoutFates: string | undefined;
}

/** What decides which aggregates a field may have. */
export interface RequestedField {
  /** undefined where what is written is none, which is reported elsewhere. */
  readonly type: FieldType | undefined;
  /** Names of an enum's values. */
  readonly names: readonly string[];
  readonly isCounter: boolean;
}

export interface Requested {
  /** As written, at `path`. */
  readonly list: readonly unknown[];
  /** undefined for `*`, which takes what suits each field. */
  readonly field: string | undefined;
  readonly path: readonly (string | number)[];
}

/** Reports what is wrong with the aggregates that a window asks of a field, each at its place. */
export function checkAggregates(
  { list, field, path }: Requested,
  context: RequestContext,
  report: (problem: Problem) => void,
): void {
  for (const [index, name] of list.entries()) {
    if (typeof name !== "string") continue;
    const at = [...path, index];
    const aggregate = findAggregate(name);
    if (list.indexOf(name) < index) {
      report({ code: "duplicate-name", message: `${name} is listed twice`, path: at, hint: "remove one" });
    } else if (aggregate === undefined) {
      report({ ...unknownAggregate(name), path: at });
    } else {
      const problem = misplaced(aggregate, field, context);
      if (problem !== undefined) report({ ...problem, path: at });
    }
  }
}

function unknownAggregate(name: string): Problem {
  const guess = COMMON_AGGREGATES.get(name.toLowerCase()) ?? nearestAggregate(name);
  const all = aggregateNames("int").join(", ");
  const hint = guess === undefined ? `aggregates are ${all}` : `did you mean "${guess}"?`;
  return { code: "unknown-aggregate", message: `there is no aggregate ${name}`, hint };
}

function misplaced(
  aggregate: Aggregate,
  field: string | undefined,
  context: RequestContext,
): Problem | undefined {
  const { name, fields, other, requires } = aggregate;
  const its = field === undefined ? undefined : context.fields.get(field);
  const type = its?.type;
  if (type !== undefined && !suits(fields, type)) {
    const message = `${name} is not for fields of type ${type}`;
    return { code: "bad-aggregate", message, hint: `they have ${aggregateNames(type).join(", ")}` };
  }
  // What `*` asks for must be for some field.
  const asked = field === undefined ? [...context.fields] : its === undefined ? [] : [[field, its] as const];
  const problems = asked.map(([of, shape]) => misplacedOnField(aggregate, of, shape));
  if (problems.length > 0 && problems.every((problem) => problem !== undefined)) return problems[0];
  if (other !== undefined) {
    const problem = misplacedOther(aggregate, other, field, context);
    if (problem !== undefined) return problem;
  }
  if (requires === "period" && !context.hasPeriod) {
    const message = `${name} needs to know how often devices send`;
    return { code: "bad-aggregate", message, hint: "add time: { period: 10s }" };
  }
  if (requires === "fates" && context.withoutFates !== undefined) {
    const message = `${name} is not for ${context.withoutFates} windows, which do not know what cleaning has done`;
    return { code: "bad-aggregate", message, hint: "ask for it in tumbling, hopping or global windows" };
  }
  return undefined;
}

function misplacedOnField(
  { name, sought, requires }: Aggregate,
  field: string,
  { type, names, isCounter }: RequestedField,
): Problem | undefined {
  if (requires === "counter" && !isCounter) {
    const message = `${name} is for counters, which ${field} is not`;
    return { code: "bad-aggregate", message, hint: `add kind: counter to ${field}, or ask for delta` };
  }
  // An enum without values is reported as that; nobody knows yet what it can be.
  const isKnown = type !== undefined && (type !== "enum" || names.length > 0);
  if (sought === undefined || !isKnown || soughtValue(sought, type, names) !== undefined) return undefined;
  const message = `${field} never is ${sought}`;
  const values = type === "enum" ? names : type === "bool" ? ["true", "false"] : [];
  const guess = nearest(sought, values);
  const all = values.length > 0 ? `its values are ${values.join(", ")}` : "give a whole number such as 0";
  const hint = guess === undefined ? all : `did you mean "${name.replace(sought, guess)}"?`;
  return { code: "bad-aggregate", message, hint };
}

function misplacedOther(
  { name, fields }: Aggregate,
  other: string,
  field: string | undefined,
  context: RequestContext,
): Problem | undefined {
  const its = context.fields.get(other);
  if (its === undefined) {
    const guess = nearest(other, context.fields.keys());
    const all = [...context.fields.keys()].join(", ");
    const hint = guess === undefined ? `fields are ${all}` : `did you mean "${name.replace(other, guess)}"?`;
    return { code: "unknown-field", message: `there is no field ${other}`, hint };
  }
  if (its.type !== undefined && !suits(fields, its.type)) {
    const message = `${name} needs numbers, and ${other} is of type ${its.type}`;
    return { code: "bad-aggregate", message, hint: "name another field" };
  }
  if (other !== field) return undefined;
  const message = `${name} looks at one field twice`;
  return { code: "bad-aggregate", message, hint: "name another field" };
}

/** What other tools call them. */
const COMMON_AGGREGATES: ReadonlyMap<string, string> = new Map([
  ["average", "mean"],
  ["avg", "mean"],
  ["cardinality", "distinct"],
  ["changes", "transitions"],
  ["cnt", "count"],
  ["difference", "delta"],
  ["integral", "total"],
  ["maximum", "max"],
  ["median", "p50"],
  ["minimum", "min"],
  ["n", "count"],
  ["percentile", "p95"],
  ["sd", "stddev"],
  ["std", "stddev"],
  ["trend", "slope"],
  ["twa", "timeAverage"],
  ["unique", "distinct"],
  ["var", "variance"],
]);
