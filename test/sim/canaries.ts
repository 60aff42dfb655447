import type { Device } from "../../src/engine/device.js";
import { Engine } from "../../src/engine/engine.js";
import { Groups } from "../../src/engine/groups.js";
import { DeliveryMemory } from "../../src/engine/memory.js";
import { RunningMerges } from "../../src/engine/running.js";
import { canonicalJson } from "../../src/model/summary.js";
import { BlockBuilder } from "../../src/pipeline/block-builder.js";
import { Checkpointer, type Share } from "../../src/pipeline/checkpoint.js";
import { Committer } from "../../src/pipeline/committer.js";
import { StoredCursors } from "../../src/store/cursors.js";
import { Database } from "../../src/store/database.js";
import { Store } from "../../src/store/store.js";
import { SimulatedDisk } from "./disk.js";
import { SimulatedTarget } from "./upstream.js";

/**
 * Faults planted into the agent, each the kind of mistake that loses, doubles or falsifies readings. The simulator is
 * worth what it finds of them. A canary changes the classes of the agent in this process; it gives back the way to
 * undo that.
 */
export const CANARIES: Readonly<Record<string, () => () => void>> = {
  "acknowledges before the sync": () =>
    replace(Committer.prototype, "added", (added) => {
      return function (this: Committer) {
        added.call(this);
        for (const committed of this.builder.waiting.splice(0)) committed();
      };
    }),

  "drops a journal block": () =>
    replace(Store.prototype, "commit", (commit) => {
      let count = 0;
      return function (this: Store, { block, ...rest }) {
        const dropped = block !== undefined && ++count % 10 === 0;
        return commit.call(this, dropped || block === undefined ? rest : { ...rest, block });
      };
    }),

  "says that a batch is written which is not": () =>
    replace(Database.prototype, "write", (write) => {
      let count = 0;
      return function (this: Database, operations) {
        return write.call(this, ++count % 50 === 0 ? [] : operations);
      };
    }),

  "goes on without reopening after a failed write": () =>
    replace(SimulatedDisk, "forgivesHolders", () => true),

  "forgets the packets it has seen": () => replace(DeliveryMemory.prototype, "seen", () => () => false),

  "forgets the duplicate filter in a restart": () =>
    onRestore((device) => {
      for (const slice of device.slices) slice.held = 0;
    }),

  "begins revisions anew after a restart": () =>
    onRestore((device) => {
      for (const window of device.open.flat()) window.revision = 0;
    }),

  "loses the watermark in a restart": () =>
    onRestore((device) => {
      device.maxTimeMs = Number.NEGATIVE_INFINITY;
      device.idleFloorMs = Number.NEGATIVE_INFINITY;
    }),

  "forgets in a restart what was before a window": () =>
    onRestore((device) => {
      device.bounds = [];
    }),

  "emits what a replay causes": () => {
    let caused: string[] = [];
    const undo = [
      replace(Engine.prototype, "apply", (apply) => {
        return function (this: Engine, block) {
          const summaries = apply.call(this, block);
          caused.push(...summaries.map(canonicalJson));
          return summaries;
        };
      }),
      replace(Store.prototype, "journal", (journal) => {
        return async function* (this: Store) {
          caused = [];
          yield* journal.call(this);
          if (caused.length > 0) await this.commit({ summaries: caused, records: [] });
        };
      }),
    ];
    return () => {
      for (const each of undo) each();
    };
  },

  "skips a cursor": () =>
    replace(Store.prototype, "save", (save) => {
      let count = 0;
      return function (this: Store, target, cursor) {
        const skipping = { ...cursor, confirmed: cursor.confirmed + 1 };
        return save.call(this, target, ++count % 20 === 0 ? skipping : cursor);
      };
    }),

  "merges what was sent already": () => replace(StoredCursors.prototype, "all", () => () => []),

  "takes a summary for delivered that was only sent": () =>
    replace(SimulatedTarget.prototype, "deliver", (deliver) => {
      return async function (this: SimulatedTarget, entries) {
        deliver.call(this, entries).catch(() => {});
      };
    }),

  "checkpoints all devices but one": () =>
    onShare((share) => {
      const device = share.commit.records.find(({ key }) => key.startsWith("d"))?.key;
      const records = share.commit.records.filter(({ key }) => key !== device);
      return { ...share, commit: { ...share.commit, records } };
    }),

  "drops the journal before the state is written": () =>
    onShare((share) => ({ ...share, commit: { ...share.commit, records: [] } })),

  "does not count what it refuses": () => replace(BlockBuilder.prototype, "reject", () => () => {}),

  "gives groups nothing of a member's last word": () => replace(Groups.prototype, "handOver", () => () => {}),

  "slides on without the newest slice": () =>
    replace(RunningMerges.prototype, "merged", (merged) => {
      return function (this: RunningMerges, device, window) {
        const newest = device.slices.findLast(({ startMs }) => startMs < window.endMs);
        return merged.call(this, device, { ...window, endMs: newest?.startMs ?? window.endMs });
      };
    }),
};

/** Puts another value in the place of a member. @returns the way back */
function replace<T, K extends keyof T>(owner: T, name: K, make: (original: T[K]) => T[K]): () => void {
  const original = owner[name];
  owner[name] = make(original);
  return () => {
    owner[name] = original;
  };
}

function onRestore(change: (device: Device) => void): () => void {
  return replace(Engine.prototype, "adopt", (adopt) => {
    return function (this: Engine, state, device) {
      change(device);
      adopt.call(this, state, device);
    };
  });
}

function onShare(change: (share: Share) => Share): () => void {
  const undo = (["nextShare", "everything"] as const).map((name) =>
    replace(Checkpointer.prototype, name, (make: (...given: never[]) => Share) => {
      return function (this: Checkpointer, ...given: never[]) {
        return change(make.apply(this, given));
      };
    }),
  );
  const undoForced = replace(Checkpointer.prototype, "forcedShare", (make) => {
    return function (this: Checkpointer) {
      const share = make.call(this);
      return share === undefined ? undefined : change(share);
    };
  });
  return () => {
    undoForced();
    for (const each of undo) each();
  };
}
