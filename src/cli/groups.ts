import { type GroupProblem, shapeGroup } from "../aggregate/group.js";
import type { LoadedConfig } from "../config/load.js";
import type { Diagnostic } from "../model/diagnostic.js";
import { GROUP_PROFILE, isReserved } from "../model/group.js";
import type { Profile } from "../model/profile.js";

/** A group that can be, with the profiles whose devices it takes. */
export interface FoundGroup {
  readonly name: string;
  readonly profiles: readonly string[];
  /** Names of devices, as written; undefined for all. */
  readonly devices: readonly string[] | undefined;
}

/** What the groups of a config are with these profiles, and what is wrong with them, or with an id that stands for them. */
export function findGroups(
  file: string,
  loaded: LoadedConfig,
  profiles: readonly Profile[],
): { readonly groups: readonly FoundGroup[]; readonly diagnostics: readonly Diagnostic[] } {
  const groups: FoundGroup[] = [];
  const diagnostics: Diagnostic[] = [];
  const definitions = loaded.config?.groups ?? [];
  const free = profiles.filter(({ id }) => !isReserved(id, definitions));
  for (const [index, definition] of definitions.entries()) {
    const { problems, parts } = shapeGroup(definition, free);
    diagnostics.push(...problems.map((problem) => diagnosticOf(file, loaded, index, problem)));
    if (problems.length > 0) continue;
    const { devices } = definition.members;
    groups.push({ name: definition.name, profiles: [...parts.keys()], devices });
  }
  for (const taken of profiles.filter((profile) => !free.includes(profile))) {
    const message = `the id "${GROUP_PROFILE}" stands for groups in the ids of summaries`;
    const hint = "give the profile another id, or the config no groups";
    diagnostics.push({ file: taken.file, line: 1, column: 1, code: "reserved-id", message, hint });
  }
  return { groups, diagnostics };
}

function diagnosticOf(
  file: string,
  loaded: LoadedConfig,
  index: number,
  { path, code, message, hint }: GroupProblem,
): Diagnostic {
  return { file, ...loaded.place(["groups", index, ...path]), code, message, hint };
}

/** `group hall: devices boiler-1, hall-3/* of generic-json` */
export function groupLine({ name, profiles, devices }: FoundGroup): string {
  const which = devices === undefined ? "all devices" : `devices ${devices.join(", ")}`;
  return `group ${name}: ${which} of ${profiles.join(", ")}`;
}
