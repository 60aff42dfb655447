import { readFileSync } from "node:fs";
import { basename, extname, relative, resolve } from "node:path";
import {
  checkProfileIds,
  checkStorePath,
  checkTargetFiles,
  findProfiles,
  type KnownProfile,
} from "../config/check.js";
import { unreadable } from "../config/files.js";
import { type Diagnostic, formatDiagnostic } from "../model/diagnostic.js";
import type { Profile } from "../model/profile.js";
import { loadProfile } from "../profile/load.js";
import { runProfileTests } from "../profile/test-runner.js";
import { defineCommand, EXIT, usageError } from "./command.js";
import { readConfig, validateUsers } from "./config-file.js";
import { type FoundGroup, findGroups, groupLine } from "./groups.js";
import { writeText } from "./output.js";

/** `weir check`: everything that is wrong with a config and its profiles, at once, for people and editors. */
export const command = defineCommand({
  name: "check",
  usage: "[-c weir.yaml] [PROFILE.yaml…]",
  about: [
    "Checks the config, all profiles in its profiles folder, and the profiles that are named, and runs the tests",
    "inside the profiles. Groups are listed with the profiles of their members. Every problem is a line `file:line:column code message (hint)`. With any problem the exit",
    "code is 2. Environment variables that the config refers to must be set as they are for the agent.",
  ].join("\n"),
  examples: [
    { line: "weir check -c /etc/weir/weir.yaml", does: "The config and its profiles" },
    { line: "weir check device-profiles/*.yaml", does: "Profiles, and the tests inside them" },
  ],
  options: {
    config: { type: "string", short: "c", placeholder: "FILE", help: "The gateway's config" },
  },
  positionals: { min: 0 },
  async run({ values, positionals }, io) {
    if (values.config === undefined && positionals.length === 0) {
      throw usageError("there is nothing to check", "give a config with -c, or profiles");
    }
    const { diagnostics, profiles, groups } = check(values.config, positionals, io.env);
    for (const diagnostic of diagnostics) await writeText(io.stdout, `${formatDiagnostic(diagnostic)}\n`);
    for (const group of groups) await writeText(io.stdout, `${groupLine(group)}\n`);
    const what = [...(values.config === undefined ? [] : ["1 config"]), counted(profiles, "profile")];
    await writeText(io.stdout, `${what.join(", ")}: ${counted(diagnostics.length, "problem")}\n`);
    return diagnostics.length === 0 ? EXIT.ok : EXIT.usage;
  },
});

interface Checked {
  /** In order of file, line and column. */
  readonly diagnostics: readonly Diagnostic[];
  /** How many profiles were looked at. */
  readonly profiles: number;
  /** Groups of the config that nothing is wrong with. */
  readonly groups: readonly FoundGroup[];
}

function check(config: string | undefined, named: readonly string[], env: NodeJS.ProcessEnv): Checked {
  const loaded = config === undefined ? undefined : readConfig(config, env, { validateUsers });
  const diagnostics: Diagnostic[] = [...(loaded?.diagnostics ?? [])];
  const found = config === undefined || loaded === undefined ? undefined : findProfiles(config, loaded);
  diagnostics.push(...(found?.diagnostics ?? []));
  if (config !== undefined && loaded !== undefined) {
    diagnostics.push(...checkStorePath(config, loaded), ...checkTargetFiles(config, loaded));
  }

  const zone = loaded?.profiles?.zone ?? "UTC";
  const files = [...new Set([...(found?.files ?? []), ...named].map(shownPath))];
  const known: KnownProfile[] = [];
  const profiles: Profile[] = [];
  const own = new Set(found?.files.map(shownPath));
  for (const file of files) {
    const checked = checkProfile(file, zone);
    known.push({ id: checked.id, file });
    diagnostics.push(...checked.diagnostics);
    if (checked.profile !== undefined && own.has(file)) profiles.push(checked.profile);
  }
  diagnostics.push(...checkProfileIds(config ?? "", loaded, known));
  const { groups, diagnostics: problems } =
    config === undefined || loaded === undefined
      ? { groups: [], diagnostics: [] }
      : findGroups(config, loaded, profiles);
  diagnostics.push(...problems);
  return { diagnostics: diagnostics.sort(byPlace), profiles: files.length, groups };
}

interface CheckedProfile {
  readonly id: string;
  /** Undefined when it cannot be read. */
  readonly profile: Profile | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

function checkProfile(file: string, zone: string): CheckedProfile {
  // A profile that cannot be read has at least its file's name, so that nothing else complains that it is missing.
  const id = basename(file, extname(file));
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return { id, profile: undefined, diagnostics: [unreadable(file, error)] };
  }
  const { profile, diagnostics } = loadProfile(text, { file, zone });
  if (profile === undefined) return { id, profile, diagnostics };
  return { id: profile.id, profile, diagnostics: [...diagnostics, ...runProfileTests(profile)] };
}

/** From the current folder where that is shorter; the same for one file however it was named. */
function shownPath(path: string): string {
  const absolute = resolve(path);
  const short = relative("", absolute);
  return short.startsWith("..") ? absolute : short;
}

function byPlace(a: Diagnostic, b: Diagnostic): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

function counted(count: number, noun: string): string {
  return `${count === 0 ? "no" : count} ${noun}${count === 1 ? "" : "s"}`;
}
