import type { EngineProfile } from "./profile.js";
import type { BoundedKind, FillRule } from "./window.js";

/**
 * Devices whose readings are summarised together, as the gateway's config defines them. Plain data: it is kept with the
 * state, so that recovery goes on under the definition that the readings came in under.
 */
export interface GroupDefinition {
  /** Unique in the config; part of every summary's id. */
  readonly name: string;
  readonly members: GroupMembers;
  readonly windows: readonly GroupWindowDefinition[];
}

/** Which devices are in it: those for which every condition holds that is given, so all of them when none is. */
export interface GroupMembers {
  /** Ids of profiles. */
  readonly profiles?: readonly string[] | undefined;
  /** Tags of which a profile has one at least. */
  readonly tags?: readonly string[] | undefined;
  /** Names of devices; `*` stands for any characters, `?` for one. */
  readonly devices?: readonly string[] | undefined;
}

export interface GroupWindowDefinition {
  /** Unique in the group. */
  readonly name: string;
  readonly kind: BoundedKind;
  readonly allowedLatenessMs: number;
  /** See `WindowDefinition.earlyMs`. */
  readonly earlyMs?: number | undefined;
  /** See `WindowDefinition.fill`. */
  readonly fill?: FillRule | undefined;
  /** See `WindowDefinition.coarsenMs`. */
  readonly coarsenMs?: readonly number[] | undefined;
  /** Aggregates by field; `*` for those of the members' fields that are not listed. */
  readonly fields: Readonly<Record<string, readonly string[]>>;
}

/** The profile id that stands in the ids of groups' summaries. */
export const GROUP_PROFILE = "group";
/** Of one number, where those of profiles have three. */
export const GROUP_PROFILE_VERSION = "1";

/** Whether a summary is of a group, by its `profile`. */
export function isOfGroup({ profile }: { readonly profile: string }): boolean {
  return profile === `${GROUP_PROFILE}@${GROUP_PROFILE_VERSION}`;
}

/** Whether no profile may have this id, because summaries of groups would have the same ids as those of its devices. */
export function isReserved(id: string, groups: readonly unknown[]): boolean {
  return id === GROUP_PROFILE && groups.length > 0;
}

/** Whether devices of a profile may be members. */
export function takesProfile(
  { profiles, tags }: GroupMembers,
  profile: Pick<EngineProfile, "id" | "tags">,
): boolean {
  if (profiles !== undefined && !profiles.includes(profile.id)) return false;
  return tags === undefined || tags.some((tag) => profile.tags?.includes(tag) === true);
}

/** Whether a device of such a profile is one. */
export function takesDevice({ devices }: GroupMembers, name: string): boolean {
  return devices === undefined || devices.some((glob) => matchesGlob(glob, name));
}

/** How many members there are to be; undefined where the definition does not name them one by one. */
export function namedMembers({ devices }: GroupMembers): number | undefined {
  if (devices === undefined || devices.some((name) => /[*?]/.test(name))) return undefined;
  return new Set(devices).size;
}

/** Takes the shortest match for each `*` and comes back to the last one only, so it is never slower than m × n. */
function matchesGlob(glob: string, text: string): boolean {
  let at = 0;
  let place = 0;
  let star = -1;
  let resumeAt = 0;
  while (at < text.length) {
    if (glob[place] === "*") {
      star = place++;
      resumeAt = at;
    } else if (place < glob.length && (glob[place] === "?" || glob[place] === text[at])) {
      place++;
      at++;
    } else if (star >= 0) {
      place = star + 1;
      at = ++resumeAt;
    } else return false;
  }
  while (glob[place] === "*") place++;
  return place === glob.length;
}
