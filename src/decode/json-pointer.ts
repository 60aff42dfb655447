import { WeirError } from "../model/errors.js";

/**
 * Compiles a JSON Pointer (RFC 6901) to an accessor. Only what the document itself contains is found: never
 * something that objects or arrays have by nature, such as `constructor` or `length`.
 * @throws WeirError `bad-path` when the text is not a pointer
 */
export function compilePointer(pointer: string): (value: unknown) => unknown {
  const tokens = parsePointer(pointer);
  if (tokens.length === 0) return (value) => value;
  const steps = tokens.map(stepOf);
  if (steps.length === 1) return steps[0]!;
  if (steps.length === 2) {
    const [first, second] = steps as [Step, Step];
    return (value) => second(first(value));
  }
  return (value) => {
    let at = value;
    for (let i = 0; i < steps.length && at !== undefined; i++) at = steps[i]!(at);
    return at;
  };
}

type Step = (value: unknown) => unknown;

function parsePointer(pointer: string): readonly string[] {
  if (pointer === "") return [];
  if (!pointer.startsWith("/") || /~[^01]|~$/.test(pointer)) {
    throw new WeirError("bad-path", `"${pointer}" is not a JSON Pointer`, {
      hint: `write it as "/name" or "/outer/inner"; "~1" stands for "/" and "~0" for "~" in a name`,
    });
  }
  return pointer
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function stepOf(name: string): Step {
  const index = /^(0|[1-9]\d{0,6})$/.test(name) ? Number(name) : undefined;
  // A look at the prototype is only needed for the few names that objects have by nature.
  const inherited = name in Object.prototype;
  return (value) => {
    if (typeof value !== "object" || value === null) return undefined;
    if (Array.isArray(value)) return index === undefined ? undefined : value[index];
    if (inherited && !Object.hasOwn(value, name)) return undefined;
    return (value as Readonly<Record<string, unknown>>)[name];
  };
}
