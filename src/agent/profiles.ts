import { WeirError } from "../model/errors.js";
import { type GroupDefinition, isReserved } from "../model/group.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import type { Profile } from "../model/profile.js";
import type { ProfileChange } from "../pipeline/profiles.js";

/** Ids of profiles whose file is there but cannot be read; `all` when no file could be found. */
export type BrokenProfiles = readonly string[] | "all";

/** What a start or a reload was handed. */
interface WantedProfiles {
  readonly config: { readonly groups: readonly GroupDefinition[] };
  readonly profiles: readonly Profile[];
  readonly brokenProfiles: BrokenProfiles;
}

const profilesChanged = defineEvent<{
  readonly added: string;
  readonly changed: string;
  readonly removed: string;
  readonly closedWindows: number;
}>("profiles-changed", "info", "the device profiles in force have changed");
const profilesKept = defineEvent<{ readonly profiles: string }>(
  "profiles-kept",
  "error",
  "these profiles cannot be read from their files; they stay in force as they are stored",
  { answer: true },
);

/**
 * Profiles that are broken or nowhere to be found stay as they were, so that a slip of the pen or a half-done
 * deployment closes no windows. Only a profile whose id now stands for groups goes, or its devices and the groups
 * would send the same ids.
 */
export function withKept(
  wanted: WantedProfiles,
  kept: ReadonlyMap<string, Profile>,
  observer: Observer,
): readonly Profile[] {
  const rescued = rescuedOf(wanted, kept);
  if (rescued.length > 0) {
    observer.emit(profilesKept, { profiles: rescued.map(({ id }) => id).join(" ") });
  }
  return [...wanted.profiles, ...rescued];
}

/** Whether no profile would be in force: every reading would be acknowledged, and none kept. */
export function leavesNone(wanted: WantedProfiles, kept: ReadonlyMap<string, Profile>): boolean {
  return wanted.profiles.length === 0 && rescuedOf(wanted, kept).length === 0;
}

function rescuedOf(
  { config, profiles, brokenProfiles: broken }: WantedProfiles,
  kept: ReadonlyMap<string, Profile>,
): readonly Profile[] {
  const ids = new Set(profiles.map(({ id }) => id));
  const wanted = broken === "all" ? [...kept.keys()] : broken;
  return wanted
    .filter((id) => !ids.has(id) && !isReserved(id, config.groups))
    .flatMap((id) => kept.get(id) ?? []);
}

/** An agent without a profile would acknowledge every reading and keep none. @throws WeirError `no-profiles` */
export function requireSome(profiles: readonly Profile[]): void {
  if (profiles.length > 0) return;
  throw new WeirError("no-profiles", "there is no device profile to begin with, and the store knows none", {
    hint: "weir check tells what is wrong with the profiles",
  });
}

export function tellChange(change: ProfileChange, observer: Observer): void {
  const { added, changed, removed, closedWindows } = change;
  if (added.length + changed.length + removed.length === 0) return;
  const list = (ids: readonly string[]) => ids.join(" ");
  observer.emit(profilesChanged, {
    added: list(added),
    changed: list(changed),
    removed: list(removed),
    closedWindows,
  });
}
