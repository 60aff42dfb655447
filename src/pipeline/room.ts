import type { Engine } from "../engine/engine.js";
import type { ReadingGroup } from "../model/block.js";
import type { Store } from "../store/store.js";
import type { Checkpointer } from "./checkpoint.js";

/**
 * Keeps memory within its bound, between two blocks: lets go of what is stored, and stores what is not until enough
 * can go. Whoever waits for this pushes back on the sources.
 */
export async function makeRoom(on: {
  readonly engine: Engine;
  readonly store: Store;
  readonly checkpointer: Checkpointer;
  /** Whether the journal is being read, so that nothing of it may be dropped. */
  readonly replaying?: boolean;
}): Promise<void> {
  const { engine, store, checkpointer, replaying = false } = on;
  while (!engine.residency.relieve()) {
    const share = checkpointer.forcedShare();
    if (share === undefined) return;
    const { dropJournalThrough, ...rest } = share.commit;
    const drop = replaying || dropJournalThrough === undefined ? {} : { dropJournalThrough };
    await store.commit({ summaries: [], ...rest, ...drop });
    share.written();
  }
}

/** Stores all that has changed, a share at a time. */
export async function storeChanges(on: {
  readonly store: Store;
  readonly checkpointer: Checkpointer;
  /** To be told that it gets on. */
  readonly onProgress?: () => void;
}): Promise<void> {
  for (;;) {
    const share = on.checkpointer.forcedShare();
    if (share === undefined) return;
    await on.store.commit({ summaries: [], ...share.commit });
    share.written();
    on.onProgress?.();
  }
}

/**
 * Cuts what has gathered where it would bring back, or make, more devices than one block may: while a block is applied,
 * what it has touched cannot leave memory.
 */
export function inPortions(
  groups: readonly ReadingGroup[],
  engine: Pick<Engine, "present" | "residency">,
): (readonly ReadingGroup[])[] {
  const { loadsMax } = engine.residency;
  if (groups.length === 0) return [];
  if (groups.length <= loadsMax) return [groups];
  const portions: (readonly ReadingGroup[])[] = [];
  let from = 0;
  let loads = 0;
  for (const [i, { profile, device }] of groups.entries()) {
    if (engine.present(profile, device) !== undefined) continue;
    if (loads === loadsMax) {
      portions.push(groups.slice(from, i));
      from = i;
      loads = 0;
    }
    loads++;
  }
  portions.push(groups.slice(from));
  return portions;
}
