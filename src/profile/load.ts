import { basename, extname } from "node:path";
import type { Diagnostic } from "../model/diagnostic.js";
import type { Profile } from "../model/profile.js";
import { parseDocument } from "../schema/document.js";
import { compileProfile } from "./compile.js";
import { opennessProblems, overlapProblems } from "./overlap.js";
import { profileSchema } from "./schema.js";

export interface LoadOptions {
  /** For messages; a profile file carries its id as its name. */
  readonly file: string;
  /** The gateway's time zone. */
  readonly zone: string;
  /**
   * Where it has been in force already, it may have more windows at a time than a new one: its store could not be read
   * without it, and would count as damaged.
   */
  readonly isStored?: boolean;
}

export interface LoadedProfile {
  /** Undefined when there are diagnostics. */
  readonly profile: Profile | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads a profile; everything that is wrong with it is reported at once. Its tests are not run. */
export function loadProfile(text: string, options: LoadOptions): LoadedProfile {
  const { file, zone, isStored = false } = options;
  const document = parseDocument(text, { file, schema: profileSchema });
  if (document.value === undefined) return { profile: undefined, diagnostics: document.diagnostics };
  const { id } = document.value;
  const stem = basename(file, extname(file));
  if (/\.ya?ml$/.test(file) && stem !== id) {
    const message = `the profile ${id} is in a file named ${basename(file)}`;
    const hint = `name the file ${id}.yaml, or the profile ${stem}`;
    return {
      profile: undefined,
      diagnostics: [{ file, ...document.place(["id"]), code: "id-mismatch", message, hint }],
    };
  }
  const profile = compileProfile(document.value, { source: text, zone, file });
  if (isStored) return { profile, diagnostics: [] };
  const { windows } = document.value;
  const overlaps = overlapProblems(windows);
  const found = overlaps.length > 0 ? overlaps : opennessProblems(windows, profile.time.outOfOrdernessMs);
  const tooMany = found.map(({ path, ...problem }) => ({ file, ...document.place(path), ...problem }));
  return { profile: tooMany.length === 0 ? profile : undefined, diagnostics: tooMany };
}
