import type { FieldType } from "../model/profile.js";
import { type FieldValue, MISSING } from "../model/reading.js";
import { type FieldShape, fieldVariables } from "./computed.js";
import { compileExpression, resultOf } from "./expression.js";
import type { Scope } from "./expression-value.js";

export type NamedShape = FieldShape & { readonly name: string; readonly type: FieldType };

export interface WindowState {
  readonly of: (values: readonly FieldValue[]) => FieldValue;
  /** Names of an enum's values. */
  readonly names: readonly string[] | undefined;
}

/**
 * What a state window looks at: a field, or an expression over fields. Missing where it says nothing.
 * @throws WeirError `bad-expression`
 */
export function compileState(text: string, fields: readonly NamedShape[]): WindowState {
  const index = fields.findIndex(({ name }) => name === text);
  if (index >= 0) {
    const { type, names } = fields[index]!;
    return { of: (values) => values[index] ?? MISSING, names: type === "enum" ? names : undefined };
  }
  const { run } = compileExpression(text, fieldVariables(fields), ["number", "text", "bool"]);
  const scope: Scope = { values: [], message: undefined, topic: undefined };
  return {
    of: (values) => {
      scope.values = values;
      return resultOf(run(scope));
    },
    names: undefined,
  };
}

/**
 * A condition on the fields of a reading. Absent is false.
 * @throws WeirError `bad-expression`
 */
export function compileFieldCondition(
  text: string,
  fields: readonly NamedShape[],
): (values: readonly FieldValue[]) => boolean {
  const { run } = compileExpression(text, fieldVariables(fields), ["bool"]);
  const scope: Scope = { values: [], message: undefined, topic: undefined };
  return (values) => {
    scope.values = values;
    return run(scope) === true;
  };
}
