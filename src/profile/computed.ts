import { WeirError } from "../model/errors.js";
import type { FieldType } from "../model/profile.js";
import { type FieldValue, MISSING } from "../model/reading.js";
import { isTolerant } from "../schema/tolerance.js";
import { finishNumber } from "./coerce.js";
import { compileExpression, type Names, resultOf } from "./expression.js";
import { type Code, type ExpressionType, type Scope, valuesHint } from "./expression-value.js";

/** What is needed of a field to use it in an expression or to compute it. */
export interface FieldShape {
  readonly type: FieldType;
  readonly digits?: number | undefined;
  /** Names of an enum's values. */
  readonly names?: readonly string[] | undefined;
}

/** The fields before a computed one, by name, as an expression sees them. */
export function fieldVariables(fields: readonly (FieldShape & { readonly name: string })[]): Names {
  return new Map(fields.map((field, index) => [field.name, variable(field, index)]));
}

function variable(field: FieldShape, index: number): Code {
  switch (field.type) {
    case "string":
      return {
        type: "text",
        run: ({ values }) => (typeof values[index] === "string" ? values[index] : undefined),
      };
    case "enum": {
      const names = field.names ?? [];
      return { type: "text", values: names, run: ({ values }) => names[values[index] as number] };
    }
    case "bool":
      return { type: "bool", run: ({ values }) => TRUTH.get(values[index]) };
    default:
      return {
        type: "number",
        run: ({ values }) => {
          const value = values[index];
          return typeof value === "number" ? value : MISSING;
        },
      };
  }
}

const TRUTH: ReadonlyMap<unknown, boolean> = new Map([
  [0, false],
  [1, true],
]);

/**
 * A computed field's function of the values before it.
 * @throws WeirError `bad-expression`
 */
export function compileComputed(
  text: string,
  field: FieldShape,
  names: Names,
): (values: readonly FieldValue[]) => FieldValue {
  const code = compileExpression(text, names, [RESULT_TYPE[field.type]]);
  if (field.type === "enum" && !isTolerant()) refuseUnlisted(code, field.names ?? []);
  const { run } = code;
  const scope: Scope = { values: [], message: undefined, topic: undefined };
  const evaluate = (values: readonly FieldValue[]): FieldValue => {
    scope.values = values;
    return resultOf(run(scope));
  };
  if (field.type === "int" || field.type === "decimal") {
    const finish = finishNumber(field);
    return (values) => finish(evaluate(values) as number);
  }
  if (field.type === "enum") {
    const known = field.names ?? [];
    return (values) => {
      const index = known.indexOf(String(evaluate(values)));
      return index < 0 ? MISSING : index;
    };
  }
  return evaluate;
}

/** @throws WeirError `bad-expression` where it is written to give what is none of the field's values, or can give none */
function refuseUnlisted({ values, written = [] }: Code, known: readonly string[]): void {
  if (values !== undefined && !values.some((text) => known.includes(text))) {
    const message = `it gives one of ${values.join(", ")}, which are none of the field's values`;
    throw new WeirError("bad-expression", message, { hint: `values are ${known.join(", ")}` });
  }
  for (const text of written) {
    if (known.includes(text)) continue;
    const hint = valuesHint(text, known);
    throw new WeirError("bad-expression", `it can give "${text}", which is none of the field's values`, {
      hint,
    });
  }
}

const RESULT_TYPE: Readonly<Record<FieldType, ExpressionType>> = {
  float: "number",
  int: "number",
  decimal: "number",
  bool: "bool",
  enum: "text",
  string: "text",
};
