/** Whether a config and the device profiles around it go together. */
import { readdirSync, type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Diagnostic } from "../model/diagnostic.js";
import { nearest } from "../model/nearest.js";
import { isProfile } from "./file-clash.js";
import { cannotRead } from "./files.js";
import type { LoadedConfig, TargetConfig } from "./load.js";

/** A profile file as far as it could be read. */
export interface KnownProfile {
  readonly id: string;
  readonly file: string;
}

export interface ProfileFiles {
  /** Paths of all `*.yaml` in the folder, in order of name. */
  readonly files: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

/** The profiles that a config's `profiles.path` holds. `file` is the config's, for messages. */
export function findProfiles(file: string, loaded: LoadedConfig): ProfileFiles {
  if (loaded.profiles === undefined) return { files: [], diagnostics: [] };
  const folder = loaded.profiles.path;
  const place = loaded.place(["profiles", "path"]);
  let names: string[];
  try {
    names = readdirSync(folder).filter(isProfile);
  } catch (error) {
    const message = cannotRead(folder, error);
    const hint = "profiles.path is the folder of the device profiles";
    return { files: [], diagnostics: [{ file, ...place, code: "unreadable-folder", message, hint }] };
  }
  if (names.length === 0) {
    const message = `there is no *.yaml in ${folder}, so no reading would be understood`;
    const hint = "copy the profiles of your devices there";
    return { files: [], diagnostics: [{ file, ...place, code: "no-profiles", message, hint }] };
  }
  return { files: names.sort().map((name) => join(folder, name)), diagnostics: [] };
}

/** Ids that two files claim, and ids in the config that no file has. Pass every profile that could be read. */
export function checkProfileIds(
  file: string,
  loaded: LoadedConfig | undefined,
  profiles: readonly KnownProfile[],
): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const files = new Map<string, string>();
  for (const { id, file: profile } of profiles) {
    const first = files.get(id);
    if (first === undefined) {
      files.set(id, profile);
      continue;
    }
    const message = `the profile ${id} is already in ${first}`;
    const hint = "each profile needs an id of its own";
    diagnostics.push({ file: profile, line: 1, column: 1, code: "duplicate-profile", message, hint });
  }
  for (const [index, source] of (loaded?.config?.sources ?? []).entries()) {
    if (source.type !== "serial" || files.has(source.profile)) continue;
    const guess = nearest(source.profile, files.keys());
    const hint =
      guess === undefined ? "it is the id inside a file of profiles.path" : `did you mean "${guess}"?`;
    const message = `there is no profile "${source.profile}"`;
    const place = loaded!.place(["sources", index, "profile"]);
    diagnostics.push({ file, ...place, code: "unknown-profile", message, hint });
  }
  return diagnostics;
}

/** Files of targets that cannot be written as it is. The agent waits for it to change, such as a disk to be mounted. */
export function checkTargetFiles(file: string, loaded: LoadedConfig): Diagnostic[] {
  return (loaded.config?.targets ?? []).flatMap((target, index) => {
    const problem = obstacle(target);
    if (problem === undefined) return [];
    return [{ file, ...loaded.place(["targets", index, "path"]), ...problem }];
  });
}

function obstacle(target: TargetConfig): Pick<Diagnostic, "code" | "message" | "hint"> | undefined {
  if (target.type !== "file") return undefined;
  const folder = dirname(target.path);
  const found = look(folder);
  if (typeof found === "string" || !found.isDirectory()) {
    const message = typeof found === "string" ? found : `${folder} is not a folder`;
    const hint = "create the folder of the target's file, or mount the disk that holds it";
    return { code: "no-folder", message, hint };
  }
  const there = look(target.path);
  if (typeof there === "string" || there.isFile()) return undefined;
  const message = `${target.path} is ${there.isDirectory() ? "a folder" : "not an ordinary file"}`;
  return { code: "no-file", message, hint: "give the target another path" };
}

/** A store that would lie within a file, or be one. That its folder is missing is fine, the agent creates it. */
export function checkStorePath(file: string, loaded: LoadedConfig): Diagnostic[] {
  if (loaded.config === undefined) return [];
  const blocking = fileOnTheWay(loaded.config.store.path);
  if (blocking === undefined) return [];
  const place = loaded.place(["store", "path"]);
  const message = `${blocking} is not a folder, so the store cannot be there`;
  return [{ file, ...place, code: "no-folder", message, hint: "give the store another path" }];
}

/** The part of a path that is no folder though it is there; undefined too where that cannot be told. */
function fileOnTheWay(path: string): string | undefined {
  try {
    return statSync(path).isDirectory() ? undefined : path;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isFurtherUp = code === "ENOTDIR" || (code === "ENOENT" && path !== dirname(path));
    return isFurtherUp ? fileOnTheWay(dirname(path)) : undefined;
  }
}

/** @returns what is there, or why that cannot be told */
function look(path: string): Stats | string {
  try {
    return statSync(path);
  } catch (error) {
    return cannotRead(path, error);
  }
}
