import type { Engine } from "../engine/engine.js";
import type { GroupDefinition } from "../model/group.js";
import type { Profile } from "../model/profile.js";
import type { Summary } from "../model/summary.js";
import type { Operation } from "../store/disk.js";
import type { Store } from "../store/store.js";
import type { Checkpointer } from "./checkpoint.js";
import type { LogRoom } from "./log-room.js";
import { encodeDefinition } from "./recovery.js";
import { storeChanges } from "./room.js";

/** What a change of profiles did. */
export interface ProfileChange {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** Windows that were closed early because their definition changed. */
  readonly closedWindows: number;
}

interface Changes {
  readonly engine: Engine;
  readonly store: Store;
  readonly checkpointer: Checkpointer;
  /** Absent where the log is not bounded. */
  readonly logRoom?: Pick<LogRoom, "lacking" | "made">;
  /** To be told that it gets on. */
  readonly onProgress?: () => void;
  /** Whether the agent ends: then the rest is left to the next life, as by a crash. */
  readonly isEnding?: () => boolean;
}

/**
 * Puts a set of profiles in the place of the present one, with engine and store in agreement before and after: windows
 * that mean the same go on, the others are closed and marked `reconfigured`. No block is ever replayed under the wrong
 * definition, because none is written between the beginning and the end:
 *
 * 1. What has changed is stored, as by a checkpoint, under the definitions that it was under.
 * 2. One batch begins the change: the new definitions, and what was in force before. Nothing of the journal is left.
 * 3. The devices, and then the groups, change over in portions (changeover.ts), each in one batch with the summaries of
 *    what it closed.
 * 4. The batch of the last portion takes away what was in force before.
 *
 * A crash before the second is one before the change. After one behind it recovery finds what was in force before, and
 * the change is finished first, before today's profiles are compared with those of then. A device that has changed over is
 * in the store as such, with its summaries in the log; so none says anything twice.
 *
 * Must run while no commit is under way.
 */
export async function changeProfiles(
  on: Changes & {
    /** Those in force until now, by id. */
    readonly present: ReadonlyMap<string, Profile>;
    readonly profiles: readonly Profile[];
    /** Groups of their devices; as they are unless given. */
    readonly groups?: readonly GroupDefinition[];
  },
): Promise<ProfileChange> {
  const { engine, store, profiles } = on;
  let closedWindows = await changeOver(on);
  if (engine.changeover.isUnderWay) return { added: [], changed: [], removed: [], closedWindows };
  const before = new Map(engine.profiles().map((profile) => [profile.id, profile.hash]));
  const wanted = new Set(profiles.map((profile) => profile.id));
  const redefined = profiles.filter(({ id, hash }) => before.get(id) !== hash);
  const removed = [...before.keys()].filter((id) => !wanted.has(id));
  const { definitions } = engine.groups.shapes;
  const groups = on.groups ?? definitions;
  const isRegrouped = JSON.stringify(groups) !== JSON.stringify(definitions);
  if (redefined.length + removed.length > 0 || isRegrouped) {
    await storeChanges(on);
    engine.changeover.begin({ profiles: redefined, retired: removed, groups });
    const { isUnderWay } = engine.changeover;
    await write(
      on,
      [],
      [
        ...redefined.map((profile) => store.definitionOperation(profile.hash, encodeDefinition(profile))),
        // Their devices keep their counts.
        ...removed.flatMap((id) => retirement(on, id)),
        ...(isRegrouped ? [store.groupDefinitionsOperation(JSON.stringify(groups))] : []),
        ...(isUnderWay ? [store.changeOperation(JSON.stringify(engine.changeover.before()))] : []),
      ],
    );
    closedWindows += await changeOver(on);
  }
  const ids = (isKnown: boolean) =>
    redefined.filter(({ id }) => before.has(id) === isKnown).map(({ id }) => id);
  return { added: ids(false), changed: ids(true), removed, closedWindows };
}

function retirement(
  { store, present }: { readonly store: Store; readonly present: ReadonlyMap<string, Profile> },
  id: string,
): Operation[] {
  const profile = present.get(id);
  if (profile === undefined) return [];
  return [store.definitionOperation(profile.hash, encodeDefinition(profile, { retired: true }))];
}

/** Lets the devices change over that have yet to. @returns how many windows that closed */
async function changeOver(on: Changes): Promise<number> {
  const { engine, store, logRoom, onProgress, isEnding = () => false } = on;
  const { profiles: replaced } = engine.changeover.before();
  let closed = 0;
  while (engine.changeover.isUnderWay && !isEnding()) {
    if (logRoom?.lacking) await logRoom.made();
    onProgress?.();
    while (!store.isReadable) await store.readable();
    const { summaries, isLast } = engine.changeover.portion();
    await write(on, summaries, isLast ? endOf(replaced, store) : []);
    engine.residency.relieve();
    closed += summaries.length;
  }
  return closed;
}

/** What was kept of the definitions of before is not needed any more. */
function endOf(
  replaced: readonly { readonly from: string; readonly to: string }[],
  store: Store,
): Operation[] {
  const gone = replaced.filter(({ from, to }) => from !== to);
  return [
    ...gone.map(({ from }) => store.definitionOperation(from, undefined)),
    store.changeOperation(undefined),
  ];
}

async function write(
  { store, checkpointer, onProgress }: Changes,
  summaries: readonly Summary[],
  records: readonly Operation[],
): Promise<void> {
  const share = checkpointer.everything();
  await store.commit({ summaries, ...share.commit, records: [...share.commit.records, ...records] });
  share.written();
  onProgress?.();
}
