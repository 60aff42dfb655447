/**
 * The one door to zod. Schemas are declared with `z`; what zod cannot say about a problem (a stable code, a remedy,
 * the place it belongs to) travels in the parameters of a custom issue, written by `report` and read by `issues.ts`.
 */
import { z } from "zod";
import { isTolerant } from "./tolerance.js";

export { z };

/** A problem that a schema's own check has found. */
export interface Problem {
  /** Kebab case; `bad-value` when absent. */
  readonly code?: string;
  readonly message: string;
  readonly hint: string;
  /** Keys and indices below the value checked; the value itself when absent. */
  readonly path?: readonly (string | number)[];
  /** Whether the place is the value's or that of its key. */
  readonly at?: "key" | "value";
  /** Keys of which one should be there. */
  readonly missing?: readonly string[];
}

/** Parameters of a custom issue. */
export interface ProblemParams {
  readonly code: string;
  readonly hint: string;
  readonly at: "key" | "value";
  readonly missing?: readonly string[];
}

/** Reports a problem from within a refinement or transformation. */
export function report(context: Pick<z.core.$RefinementCtx<unknown>, "addIssue">, problem: Problem): void {
  const params: ProblemParams = {
    code: problem.code ?? "bad-value",
    hint: problem.hint,
    at: problem.at ?? "value",
    ...(problem.missing === undefined ? {} : { missing: problem.missing }),
  };
  context.addIssue({ code: "custom", message: problem.message, path: [...(problem.path ?? [])], params });
}

/** A value whose parts may be missing or of the wrong type, because they have problems of their own. */
export type Unchecked = Readonly<Record<string, unknown>>;

/** What is wrong with keys that an object has not, though one may well expect them. Of the very schema that checks: zod copies those that something is added to. */
const refused = new WeakMap<object, Readonly<Record<string, Problem>>>();

/** Says why an object has not certain keys, in the place of calling them unknown. */
export function withRefused<S extends z.ZodType>(schema: S, problems: Readonly<Record<string, Problem>>): S {
  refused.set(schema, problems);
  return schema;
}

export function refusedKeys(schema: z.ZodType): Readonly<Record<string, Problem>> {
  return refused.get(schema) ?? {};
}

/**
 * Adds a rule about several keys of an object (or items of an array). Unlike a plain refinement it also runs when
 * some part has a problem already, so that all problems of a file are reported at once; hence it must look at the
 * type of everything it reads. It only refuses, so what is kept with the state is not held to it (tolerance.ts).
 */
export function withRule<S extends z.ZodType>(
  schema: S,
  rule: (value: Unchecked, report: (problem: Problem) => void) => void,
): S {
  return schema.superRefine(
    (value, context) => {
      if (!isTolerant()) rule(value as Unchecked, (problem) => report(context, problem));
    },
    {
      // A list in the place of a mapping is wrong enough, and its schema says so.
      when: ({ value }) =>
        typeof value === "object" && value !== null && Array.isArray(value) === schema instanceof z.ZodArray,
    },
  );
}
