import { LIMITS } from "../model/limits.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import type { Database } from "./database.js";
import type { DiskUsage } from "./disk.js";
import { KEYS, keySpace } from "./keys.js";

/**
 * Keeps the folder of the database within its budget.
 *
 * LevelDB keeps what was deleted until one of its own compactions happens to meet it, which may be long after: a log
 * that is trimmed to 20 MB was seen to take 74 MB. So the sizes of the files are looked at whenever something large
 * was dropped, and once a minute. Over the budget, the dropped ranges are compacted, first the journal and the trimmed
 * end of the log, in which nothing lives, so that hardly anything is written; and when that is not enough, all of
 * it. This runs beside the commits, which do not wait for it. After a compaction the folder has to grow by a part of
 * the head room before the next one, so that a store full of live data is not written again and again. The files
 * stay below budget + `databaseHeadRoomBytes`.
 *
 * What LevelDB notes about itself (MANIFEST, LOG) grows for as long as it is open; when that has become much, the
 * database is closed and opened between two commits. Databases that were set aside are somebody's evidence: their
 * bytes are reported at every start and in the status, and deleting them is left to whoever has looked at them.
 *
 * A database whose files somebody has removed goes on taking writes for hours, into files that have no name any more.
 * So each look is also one at whether it is there.
 */
export interface UpkeepOptions {
  readonly database: Pick<Database, "usage" | "checkThere" | "compact" | "renew" | "failing">;
  readonly observer: Observer;
  /** What may be in the database at a time: log, journals, devices. */
  readonly budgetBytes: number;
  /** Position of the oldest entry of the summary log. */
  readonly logTail: () => number;
}

const HEAD_ROOM_BYTES = LIMITS.databaseHeadRoomBytes;
/** Growth since the last compaction that the next one waits for. */
const STEP_BYTES = HEAD_ROOM_BYTES / 6;
/** Over the budget by this much, dropping ranges was not enough. */
const ALL_BYTES = HEAD_ROOM_BYTES / 3;
const NOTES_BYTES_MAX = 8 * 1024 * 1024;

const setAsideKept = defineEvent<{ readonly databases: number; readonly bytes: number }>(
  "store-set-aside-kept",
  "warn",
  "damaged stores that were set aside take room; delete db.damaged-* when nobody needs them any more",
);

export class Upkeep {
  readonly #options: UpkeepOptions;
  #usage: DiskUsage = { databaseBytes: 0, notesBytes: 0, setAside: 0, setAsideBytes: 0 };
  #looking: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  /** Files smaller than this are not worth a compaction. */
  #thresholdBytes: number;
  /** Compactions so far. */
  compactions = 0;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#thresholdBytes = options.budgetBytes;
  }

  /** As of the last look. */
  get usage(): DiskUsage {
    return this.#usage;
  }

  /** Looks for the first time, and tells of what an earlier life has left. */
  async begin(): Promise<void> {
    this.#usage = await this.#options.database.usage();
    const { setAside, setAsideBytes } = this.#usage;
    if (setAside > 0)
      this.#options.observer.emit(setAsideKept, { databases: setAside, bytes: setAsideBytes });
  }

  /** To be called when something large was dropped, and every now and then; returns at once. */
  look(): void {
    if (this.#stopped) return;
    this.#again = this.#looking !== undefined;
    this.#looking ??= this.#look()
      // A database that is being mended, or a folder that cannot be read: the next look is a new chance.
      .catch(() => undefined)
      .finally(() => {
        this.#looking = undefined;
        if (this.#again) this.look();
      });
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#looking !== undefined) await this.#looking;
  }

  /** Begins nothing any more, and waits for the piece that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.settled();
  }

  async #look(): Promise<void> {
    const { database, budgetBytes, logTail } = this.#options;
    this.#usage = await database.usage();
    // Compacting needs room itself, so it is no help on a disk that is full.
    if (this.#stopped || database.failing !== undefined) return;
    await database.checkThere();
    if (this.#usage.notesBytes > NOTES_BYTES_MAX) await database.renew();
    if (this.#usage.databaseBytes <= this.#thresholdBytes) return;
    this.compactions++;
    await this.#compact(keySpace("j"));
    await this.#compact({ gte: keySpace("l").gte, lt: KEYS.log(logTail()) });
    if (this.#usage.databaseBytes > budgetBytes + ALL_BYTES) {
      await this.#compact({ gte: keySpace("c").gte, lt: keySpace("s").lt });
    }
    this.#thresholdBytes = Math.max(budgetBytes, this.#usage.databaseBytes + STEP_BYTES);
  }

  async #compact(range: { readonly gte: string; readonly lt: string }): Promise<void> {
    if (this.#stopped) return;
    await this.#options.database.compact(range.gte, range.lt);
    this.#usage = await this.#options.database.usage();
  }
}
