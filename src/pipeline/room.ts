import type { Engine } from "../engine/engine.js";
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
