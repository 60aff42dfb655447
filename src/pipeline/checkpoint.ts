import type { Device } from "../engine/device.js";
import type { Engine } from "../engine/engine.js";
import { encodeGroups } from "../engine/group-codec.js";
import { encodeDevice, encodeSlice } from "../engine/snapshot.js";
import { sealMark } from "../model/bytes.js";
import { LIMITS } from "../model/limits.js";
import type { Operation } from "../store/disk.js";
import { KEYS } from "../store/keys.js";
import type { Commit } from "../store/store.js";

/**
 * Checkpoints: writing the state that the journal would rebuild, so that the journal can be short.
 *
 * One begins when the journal has grown to `journalBytesMax`, or to as many blocks as can still be dropped in one
 * go. The devices that are dirty at that moment are written a share at a time, along with the commits that follow,
 * each at the position of the commit it travels in; so there is no long pause and no large batch. When the last of them is written, every block up to the beginning is
 * contained in the records and is dropped, in the same batch. A crash in between leaves records at different
 * positions, which replay knows how to handle: every device skips what it has seen. Groups are written with every
 * share, so that they have seen at least what any of their members has.
 */
export interface Share {
  readonly commit: Pick<Commit, "records" | "replaced" | "dropJournalThrough">;
  /** To be called when the batch is durable. */
  readonly written: () => void;
}

const SHARE_BYTES_MAX = 512 * 1024;
const FORCED_SHARE_BYTES_MAX = 2 * 1024 * 1024;
const NOTHING: Share = { commit: { records: [] }, written: () => {} };

export class Checkpointer {
  readonly #engine: Engine;
  readonly #journalBytesMax: number;
  #queue: Device[] = [];
  #through = 0;

  constructor(engine: Engine, journalBytesMax: number) {
    this.#engine = engine;
    this.#journalBytesMax = journalBytesMax;
  }

  /** Whether a checkpoint has begun and is not finished. */
  get pending(): boolean {
    return this.#queue.length > 0;
  }

  /** What the next commit should write along; the engine has applied that commit's block already. */
  nextShare(journal: { readonly journalBytes: number; readonly journalBlocks: number }): Share {
    if (!this.pending) {
      const short =
        journal.journalBytes < this.#journalBytesMax && journal.journalBlocks < LIMITS.journalBlocksMax;
      if (short) return NOTHING;
      this.#begin();
    }
    return this.#share(SHARE_BYTES_MAX);
  }

  /** What has to be written so that memory can be cleared; undefined when all of it is stored. */
  forcedShare(): Share | undefined {
    if (!this.pending) this.#begin();
    return this.pending ? this.#share(FORCED_SHARE_BYTES_MAX) : undefined;
  }

  /** The whole state at once: for an orderly end and for a change of definition. */
  everything(): Share {
    this.#begin();
    return this.#share(Number.POSITIVE_INFINITY);
  }

  #begin(): void {
    // They are taken from the end.
    this.#queue = [...this.#engine.dirty.all()].sort((a, b) => b.usedAt - a.usedAt);
    this.#through = this.#engine.sequence;
  }

  #share(bytesMax: number): Share {
    const records: Operation[] = [];
    const replaced = new Map<string, number>();
    const written: Device[] = [];
    let bytes = 0;
    while (this.#queue.length > 0 && bytes < bytesMax) {
      const device = this.#queue.pop()!;
      bytes += this.#encode(device, records, replaced);
      written.push(device);
    }
    const finished = this.#queue.length === 0;
    const { groups, sequence } = this.#engine;
    // A replay may not have come to where they are yet.
    for (const record of encodeGroups(groups, Math.max(sequence, groups.replayedThrough), KEYS.group)) {
      records.push({ type: "put", ...record });
    }
    for (const device of written) device.dirty = false;
    return {
      commit: { records, replaced, ...(finished ? { dropJournalThrough: this.#through } : {}) },
      written: () => this.#engine.residency.stored(),
    };
  }

  #encode(device: Device, records: Operation[], replaced: Map<string, number>): number {
    const { profileId, name, plan, stored } = device;
    let bytes = 0;
    const put = (key: string, value: Uint8Array): number => {
      records.push({ type: "put", key, value });
      bytes += value.length;
      return sealMark(value);
    };
    const live = new Set<number>();
    for (const slice of [...device.slices, ...device.retired]) {
      live.add(slice.id);
      if (!slice.dirty) continue;
      const key = KEYS.slice(profileId, name, slice.id);
      slice.mark = put(key, encodeSlice(slice, plan, key));
      slice.dirty = false;
      stored.add(slice.id);
      this.#engine.residency.measure(slice);
    }
    for (const id of stored) {
      if (live.has(id)) continue;
      records.push({ type: "del", key: KEYS.slice(profileId, name, id) });
      stored.delete(id);
    }
    const key = KEYS.device(profileId, name);
    if (device.mark !== undefined) replaced.set(key, device.mark);
    device.mark = put(key, encodeDevice(device, plan, { sequence: this.#engine.sequence, key }));
    return bytes;
  }
}
