import { readFileSync } from "node:fs";
import { basename, extname } from "node:path";
import { checkProfileIds, checkStorePath, checkTargetFiles, findProfiles } from "../config/check.js";
import { unreadable } from "../config/files.js";
import type { Config } from "../config/load.js";
import type { Diagnostic } from "../model/diagnostic.js";
import { isReserved } from "../model/group.js";
import type { Profile } from "../model/profile.js";
import { loadProfile } from "../profile/load.js";
import { readConfig } from "./config-file.js";
import { findGroups } from "./groups.js";

/** What an agent is started or reloaded with. */
export interface AgentFiles {
  /** Undefined when the config itself is wrong; then there is nothing to run with. */
  readonly config: Config | undefined;
  readonly profiles: readonly Profile[];
  /** Ids of the profiles that could not be read; `all` when there is no file of a profile whose id it may have. */
  readonly brokenProfiles: readonly string[] | "all";
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads config and profiles. A profile that is wrong is left out with its diagnostics; it stops nobody else. Nor does a
 * file of a target that cannot be written as things are. Where the config has groups, a profile with the id `group` is
 * wrong, too.
 * @param inForce the gateway as the agent runs with it: what depends on it changes at the next start only
 */
export function readAgentFiles(
  file: string,
  env: NodeJS.ProcessEnv,
  inForce?: Config["gateway"],
): AgentFiles {
  const loaded = readConfig(file, env, inForce === undefined ? {} : { gatewayInForce: inForce });
  const found = findProfiles(file, loaded);
  const diagnostics: Diagnostic[] = [
    ...loaded.diagnostics,
    ...found.diagnostics,
    ...checkStorePath(file, loaded),
    ...checkTargetFiles(file, loaded),
  ];
  const zone = inForce?.zone ?? loaded.profiles?.zone ?? "UTC";
  const profiles: Profile[] = [];
  const brokenProfiles: string[] = [];
  for (const path of found.files) {
    const read = readProfile(path, zone);
    diagnostics.push(...read.diagnostics);
    if (read.profile === undefined) brokenProfiles.push(basename(path, extname(path)));
    else if (!profiles.some(({ id }) => id === read.profile?.id)) profiles.push(read.profile);
  }
  const ids = [
    ...profiles.map(({ id, file: path }) => ({ id, file: path })),
    ...brokenProfiles.map((id) => ({ id, file: id })),
  ];
  diagnostics.push(...checkProfileIds(file, loaded, ids));
  const isSure = profiles.length > 0 && brokenProfiles.length === 0;
  const ofGroups = findGroups(file, loaded, profiles).diagnostics;
  diagnostics.push(...ofGroups.filter(({ code }) => isSure || !ABSENT.has(code)));
  const groups = loaded.config?.groups ?? [];
  const usable = profiles.filter(({ id }) => !isReserved(id, groups));
  const none = [...usable.map(({ id }) => id), ...brokenProfiles].every((id) => isReserved(id, groups));
  const broken = none ? "all" : brokenProfiles;
  return { config: loaded.config, profiles: usable, brokenProfiles: broken, diagnostics };
}

/** What a group seems to lack where a profile cannot be read, which may go on as the agent knows it. */
const ABSENT: ReadonlySet<string> = new Set(["unknown-profile", "unknown-field", "no-members"]);

function readProfile(path: string, zone: string) {
  try {
    return loadProfile(readFileSync(path, "utf8"), { file: path, zone });
  } catch (error) {
    return { profile: undefined, diagnostics: [unreadable(path, error)] };
  }
}
