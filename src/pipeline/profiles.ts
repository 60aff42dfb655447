import type { Engine } from "../engine/engine.js";
import type { GroupDefinition } from "../model/group.js";
import type { Profile } from "../model/profile.js";
import type { Operation } from "../store/disk.js";
import type { Store } from "../store/store.js";
import type { Checkpointer } from "./checkpoint.js";
import { encodeDefinition } from "./recovery.js";

/** What a change of profiles did. */
export interface ProfileChange {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** Windows that were closed early because their definition changed. */
  readonly closedWindows: number;
}

/**
 * Puts a set of profiles in the place of the present one, with engine and store in agreement before and after:
 * windows that mean the same go on, the others are closed and marked `reconfigured`, and the whole state goes to
 * the store in the same batch as the new definitions, so that no block is ever replayed under the wrong one.
 * Must run while no commit is under way.
 */
export async function changeProfiles(on: {
  readonly engine: Engine;
  readonly store: Store;
  readonly checkpointer: Checkpointer;
  /** Those in force until now, by id. */
  readonly present: ReadonlyMap<string, Profile>;
  readonly profiles: readonly Profile[];
  /** Groups of their devices; as they are unless given. */
  readonly groups?: readonly GroupDefinition[];
}): Promise<ProfileChange> {
  const { engine, store, checkpointer, present, profiles } = on;
  const before = new Map(engine.profiles().map((profile) => [profile.id, profile.hash]));
  const wanted = new Set(profiles.map((profile) => profile.id));
  const records: Operation[] = [];
  const added: string[] = [];
  const changed: string[] = [];
  const redefined: Profile[] = [];
  for (const profile of profiles) {
    const hash = before.get(profile.id);
    if (hash === profile.hash) continue;
    (hash === undefined ? added : changed).push(profile.id);
    redefined.push(profile);
    // One that was removed before left its definition in the store.
    const stored = engine.profileState(profile.id)?.plan.profile.hash;
    records.push(store.definitionOperation(profile.hash, encodeDefinition(profile)));
    if (stored !== undefined && stored !== profile.hash) {
      records.push(store.definitionOperation(stored, undefined));
    }
  }
  const removed = [...before.keys()].filter((id) => !wanted.has(id));
  // A removed profile keeps its definition, because its devices keep their counts.
  for (const id of removed) {
    const profile = present.get(id);
    if (profile === undefined) continue;
    records.push(store.definitionOperation(profile.hash, encodeDefinition(profile, { retired: true })));
  }
  const { definitions } = engine.groups;
  const groups = on.groups ?? definitions;
  const regrouped = JSON.stringify(groups) !== JSON.stringify(definitions);
  if (regrouped) records.push(store.groupDefinitionsOperation(JSON.stringify(groups)));
  const summaries =
    redefined.length + removed.length > 0 || regrouped
      ? engine.redefine({ profiles: redefined, retired: removed, groups })
      : [];
  if (records.length > 0 || summaries.length > 0) {
    const share = checkpointer.everything();
    const commit = { ...share.commit, records: [...share.commit.records, ...records] };
    await store.commit({ summaries, ...commit });
    share.written();
  }
  return { added, changed, removed, closedWindows: summaries.length };
}
