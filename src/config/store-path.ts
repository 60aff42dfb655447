import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Diagnostic } from "../model/diagnostic.js";
import { messageOf } from "../model/errors.js";
import { parseDocument } from "../schema/document.js";
import { z } from "../schema/zod.js";
import { store } from "./schema.js";
import { type Environment, substituteVariables } from "./variables.js";

export interface StorePath {
  /** Absolute; undefined when there are diagnostics. */
  readonly path: string | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Where the agent of a config keeps its store, and nothing else of that config: somebody who only wants to look has
 * neither the secrets nor the environment of the service, and what they would be for does not matter here.
 */
export function readStorePath(file: string, env: Environment): StorePath {
  const folder = dirname(resolve(file));
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const message = `cannot read the config: ${messageOf(error)}`;
    const hint = "give the path of the config with -c";
    return failed({ file, line: 1, column: 1, code: "unreadable-file", message, hint });
  }
  const substitute = substituteVariables(env);
  const { value, diagnostics, place } = parseDocument(text, {
    file,
    schema: z.looseObject({ store: store({ folder }) }),
    onText: (written) => substitute(written, () => undefined),
  });
  if (value === undefined) return { path: undefined, diagnostics };
  // A reference that could not be replaced is still there.
  if (/\$\{[^}]*\}/.test(value.store.path)) {
    const message = "store.path refers to an environment variable that is not set here";
    const hint = "set it as for the service";
    return failed({ file, ...place(["store", "path"]), code: "missing-variable", message, hint });
  }
  return { path: value.store.path, diagnostics };
}

function failed(diagnostic: Diagnostic): StorePath {
  return { path: undefined, diagnostics: [diagnostic] };
}
