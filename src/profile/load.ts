import { basename, extname } from "node:path";
import type { Diagnostic } from "../model/diagnostic.js";
import { WeirError } from "../model/errors.js";
import type { Profile } from "../model/profile.js";
import { parseDocument } from "../schema/document.js";
import { tolerantly } from "../schema/tolerance.js";
import { compileProfile } from "./compile.js";
import { opennessProblems, overlapProblems } from "./overlap.js";
import { profileSchema } from "./schema.js";

export interface LoadOptions {
  /** For messages; a profile file carries its id as its name. */
  readonly file: string;
  /** The gateway's time zone. */
  readonly zone: string;
}

export interface LoadedProfile {
  /** Undefined when there are diagnostics. */
  readonly profile: Profile | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads a profile; everything that is wrong with it is reported at once. Its tests are not run. */
export function loadProfile(text: string, options: LoadOptions): LoadedProfile {
  const { file, zone } = options;
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
  const { windows } = document.value;
  const overlaps = overlapProblems(windows);
  const found = overlaps.length > 0 ? overlaps : opennessProblems(windows, profile.time.outOfOrdernessMs);
  const tooMany = found.map(({ path, ...problem }) => ({ file, ...document.place(path), ...problem }));
  return { profile: tooMany.length === 0 ? profile : undefined, diagnostics: tooMany };
}

/**
 * A profile that is kept with the state: without it the state could not be read, and would count as damaged.
 * @returns undefined when this program cannot read it any more
 */
export function loadStoredProfile(text: string, { file, zone }: LoadOptions): Profile | undefined {
  return tolerantly(() => {
    const { value } = parseDocument(text, { file, schema: profileSchema });
    if (value === undefined) return undefined;
    try {
      return compileProfile(value, { source: text, zone, file });
    } catch (error) {
      if (error instanceof WeirError) return undefined;
      throw error;
    }
  });
}
