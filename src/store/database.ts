import { CorruptRecord } from "../model/bytes.js";
import type { Clock, Timers } from "../model/clock.js";
import { messageOf, WeirError } from "../model/errors.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import {
  type Disk,
  DiskError,
  type DiskUsage,
  type KeyValueIterator,
  type KeyValues,
  type Operation,
  type Range,
} from "./disk.js";
import { Handle } from "./handle.js";
import { LevelDisk } from "./level-disk.js";
import { WritePace } from "./write-pace.js";

/**
 * The LevelDB of one agent, and what happens when it fails.
 *
 * Every write is one synced batch, and one write follows another. After any failed write the database is closed
 * and opened again before the same batch is tried anew and anything is acknowledged: LevelDB goes on appending to
 * a log with a torn record in it, and recovery stops at the torn record, so what was "written" behind it is gone.
 * A batch is tried until it is in, so a caller waits, its source waits, and nothing is lost; meanwhile what is in
 * the database can be read (see handle.ts, which also says what the reserve is for).
 *
 * A database that is found damaged when it is opened at a start is renamed to `db.damaged-…` and a new one begun; it
 * is never deleted. Later in its life that ends the process. Of a damaged end it cannot be seen whether anybody had been
 * told that it was safe (level-wal.ts): that is said, and the rest goes on. One that is merely not accessible (locked
 * by another process, no permission, a full or read-only disk) is an error for the operator, and a later start may find
 * it well.
 */
export interface DatabaseOptions {
  /** Folder; the LevelDB is its subfolder `db`. */
  readonly path: string;
  /** A LevelDB in that folder unless given. */
  readonly disk?: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly observer: Observer;
}

const storeSetAside = defineEvent<{
  readonly path: string;
  readonly keptAs: string;
  readonly reason: string;
}>("store-set-aside", "error", "the store is damaged; it was set aside and a new one begun");
const storeLoss = defineEvent<{ readonly path: string; readonly bytes: number; readonly reason: string }>(
  "store-loss",
  "error",
  "the newest write in the store is damaged; unless a power cut came in its midst, acknowledged readings are lost with it",
);
const storeWriteFailed = defineEvent<{ readonly reason: string; readonly retryMs: number }>(
  "store-write-failed",
  "error",
  "the store cannot be written; nothing is acknowledged until it can",
);
const storeGone = defineEvent<{ readonly path: string }>(
  "store-gone",
  "error",
  "somebody has removed the database; the process ends at the next write, and what was acknowledged is lost",
);
const storeRecovered = defineEvent<{ readonly attempts: number }>(
  "store-recovered",
  "warn",
  "the store can be written again",
);

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 10_000;
const ENTRIES_AT_ONCE = 500;

export class Database {
  readonly #options: DatabaseOptions;
  readonly #disk: Disk;
  readonly #handle: Handle;
  readonly #pace: WritePace;
  #tail: Promise<void> = Promise.resolve();
  #failing: string | undefined;
  #closing = false;
  /** Of those who pause before they try again. */
  readonly #wakes = new Set<() => void>();

  private constructor(options: DatabaseOptions, disk: Disk, handle: Handle) {
    this.#options = options;
    this.#disk = disk;
    this.#handle = handle;
    this.#pace = new WritePace(options);
  }

  /**
   * Opens the database, setting a damaged one aside.
   * @throws WeirError `store-locked`, `store-unavailable`
   */
  static async open(options: DatabaseOptions): Promise<Database> {
    const disk = diskOf(options);
    const open = () => Handle.open(disk, { create: true });
    const handle = await open()
      .catch(async (error: unknown) => {
        if (!(error instanceof DiskError) || error.fault !== "damaged") throw error;
        await setAside(options, messageOf(error));
        return await open();
      })
      .catch((error: unknown) => Promise.reject(unavailable(options.path, error)));
    return await Database.#opened(options, disk, handle);
  }

  static async #opened(options: DatabaseOptions, disk: Disk, handle: Handle): Promise<Database> {
    for (const { bytes, reason } of await disk.losses()) {
      options.observer.emit(storeLoss, { path: options.path, bytes, reason });
    }
    return new Database(options, disk, handle);
  }

  /**
   * For looking at the store of an agent that is not running: nothing is created, set aside or reserved.
   * @throws WeirError `store-locked`, `store-unavailable`
   */
  static async inspect(options: DatabaseOptions): Promise<Database> {
    const disk = diskOf(options);
    const handle = await Handle.inspect(disk).catch((error: unknown) =>
      Promise.reject(unavailable(options.path, error)),
    );
    return await Database.#opened(options, disk, handle);
  }

  /** Why writes fail at present; undefined when they do not. */
  get failing(): string | undefined {
    return this.#failing;
  }

  /** Milliseconds that a write takes at present. */
  get writeMs(): number {
    return this.#pace.writeMs;
  }

  /** Resolves when the operations are synced to disk, all or none; keeps trying until they are or `close` is called. */
  write(operations: readonly Operation[]): Promise<void> {
    const done = this.#tail.then(() => this.#writeUntilDone(operations));
    this.#tail = done.catch(() => undefined);
    return done;
  }

  async #writeUntilDone(operations: readonly Operation[]): Promise<void> {
    let retryMs = RETRY_FIRST_MS;
    for (let failures = 0; ; failures++) {
      try {
        await this.#try(operations, failures);
        if (this.#failing !== undefined) await this.#recovered(failures);
        return;
      } catch (error) {
        if (error instanceof WeirError) throw error;
        if (this.#closing) {
          throw new WeirError("store-write-failed", messageOf(error), { retryable: true, cause: error });
        }
        retryMs = await this.#failed(error, retryMs);
      }
    }
  }

  /** Says so, and waits. @returns how long to wait the next time */
  async #failed(error: unknown, retryMs: number): Promise<number> {
    this.#failing = messageOf(error);
    this.#options.observer.emit(storeWriteFailed, { reason: this.#failing, retryMs });
    await this.#pause(retryMs);
    return Math.min(retryMs * 2, RETRY_MAX_MS);
  }

  async #try(operations: readonly Operation[], failures: number): Promise<void> {
    let plain = false;
    this.#pace.began();
    try {
      await this.#handle.write(operations, failures);
      plain = failures === 0;
    } finally {
      this.#pace.ended({ plain });
    }
  }

  async #pause(ms: number): Promise<void> {
    let wake = () => {};
    await new Promise<void>((resolve) => {
      const timer = this.#options.timers.after(ms, resolve);
      wake = () => {
        timer.cancel();
        resolve();
      };
      this.#wakes.add(wake);
    });
    this.#wakes.delete(wake);
  }

  async #recovered(attempts: number): Promise<void> {
    this.#failing = undefined;
    this.#options.observer.emit(storeRecovered, { attempts });
    await this.#disk.reserve({ inPart: false });
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return await this.#reading((db) => db.get(key));
  }

  /**
   * At once, for those who cannot wait.
   * @throws CorruptRecord
   * @throws WeirError `store-read-failed`, retryable, while the database is closed for mending
   */
  getSync(key: string): Uint8Array | undefined {
    try {
      return this.#open().getSync(key);
    } catch (error) {
      throw readFailure(error);
    }
  }

  /** Whether `getSync` can be asked. */
  get isReadable(): boolean {
    return this.#handle.db !== undefined;
  }

  /**
   * Resolves when it can; by then it may be closed again.
   * @throws WeirError `store-read-failed` when it is being closed, `store-damaged` when it cannot be opened any more
   */
  async readable(): Promise<void> {
    let retryMs = RETRY_FIRST_MS;
    for (;;) {
      await this.#tail;
      if (this.isReadable) return;
      if (this.#closing) throw readFailure(new DiskError("failed", "closed", undefined));
      // A renewal that could not open it again: a write would try, and there may be none that is due.
      try {
        await this.#renewal();
      } catch (error) {
        if (error instanceof WeirError) throw error;
        retryMs = await this.#failed(error, retryMs);
      }
    }
  }

  /**
   * All entries of a range, in key order. Where the database is closed and opened again between two of them, what is
   * there then behind the last one. Reads while it cannot be opened reject as retryable.
   */
  async *entries(range: Pick<Range, "gt" | "gte" | "lt">): AsyncGenerator<[string, Uint8Array]> {
    let rest: Range = range;
    let of: KeyValues | undefined;
    let iterator: KeyValueIterator | undefined;
    try {
      for (;;) {
        const some = await this.#reading(async (db) => {
          // An iterator ends with the database that it was made of.
          if (db !== of) iterator = db.iterate(rest);
          of = db;
          return await iterator!.next(ENTRIES_AT_ONCE);
        });
        const last = some.at(-1);
        if (last === undefined) return;
        rest = { gt: last[0], ...(range.lt === undefined ? {} : { lt: range.lt }) };
        yield* some;
      }
    } finally {
      await iterator?.close();
    }
  }

  async keys(range: Range): Promise<string[]> {
    return await this.#reading((db) => db.keys(range));
  }

  /** The greatest key of a range. */
  async lastKey(range: Range): Promise<string | undefined> {
    const keys = await this.#reading((db) => db.keys({ ...range, reverse: true, limit: 1 }));
    return keys[0];
  }

  get disk(): Disk {
    return this.#disk;
  }

  async usage(): Promise<DiskUsage> {
    return await this.#disk.usage();
  }

  /**
   * Gives back the room of what was deleted in a range, without holding up writes; a failure shows at the next write.
   * @throws WeirError `store-read-failed`, retryable, while the database is closed for mending
   */
  async compact(from: string, to: string): Promise<void> {
    await this.#reading((db) => db.compact(from, to));
  }

  /**
   * Nothing is to be acknowledged any more that only goes into files which nobody will find: where the database is gone
   * it is closed, and the next write finds out that it cannot be opened.
   * @throws when the folder cannot be looked at
   */
  async checkThere(): Promise<void> {
    if (await this.#disk.isThere()) return;
    this.#failing = "the database is gone";
    this.#options.observer.emit(storeGone, { path: this.#options.path });
    await this.renew();
  }

  /** Closes and opens again between two writes, as a failed write does: its notes about itself begin anew. */
  async renew(): Promise<void> {
    // Should it not open, the next write tries again and says why.
    await this.#renewal().catch(() => undefined);
  }

  #renewal(): Promise<void> {
    const renewed = this.#tail.then(() => (this.#closing ? undefined : this.#handle.renew()));
    this.#tail = renewed.catch(() => undefined);
    return renewed;
  }

  async #reading<T>(read: (db: KeyValues) => Promise<T>): Promise<T> {
    try {
      return await read(this.#open());
    } catch (error) {
      throw readFailure(error);
    }
  }

  #open(): KeyValues {
    const { db } = this.#handle;
    if (db === undefined) throw new DiskError("failed", this.#failing ?? "closed", undefined);
    return db;
  }

  /** Abandons a write that keeps failing, waits for one that does not, and closes. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const wake of this.#wakes) wake();
    await this.#tail;
    await this.#handle.close();
  }
}

function readFailure(error: unknown): Error {
  if (error instanceof DiskError && error.fault === "damaged") return new CorruptRecord(error.message);
  return new WeirError("store-read-failed", messageOf(error), { retryable: true, cause: error });
}

function diskOf({ path, disk }: DatabaseOptions): Disk {
  return disk ?? new LevelDisk(path);
}

/** Renames a damaged database, keeping it for whoever wants to look; the next `open` begins an empty one. */
export async function setAside(options: DatabaseOptions, reason: string): Promise<void> {
  const stamp = new Date(options.clock.wallMs()).toISOString().replaceAll(":", "").replace(".", "");
  const keptAs = await diskOf(options)
    .setAside(`damaged-${stamp}`)
    .catch((error: unknown) => Promise.reject(unavailable(options.path, error)));
  options.observer.emit(storeSetAside, { path: options.path, keptAs, reason });
}

function unavailable(path: string, error: unknown): WeirError {
  if (error instanceof DiskError && error.fault === "locked") {
    return new WeirError("store-locked", `the store ${path} is in use by another process`, {
      hint: "another agent may be running; stop it or choose another store.path",
      cause: error,
    });
  }
  return new WeirError("store-unavailable", `cannot open the store ${path}: ${messageOf(error)}`, {
    hint: hintOf(error),
    retryable: true,
    cause: error,
  });
}

function hintOf(error: unknown): string {
  if (error instanceof DiskError && error.fault === "damaged") {
    return "the agent sets it aside at its next start and takes over what can be read";
  }
  const message = messageOf(error);
  if (/EEXIST|ENOTDIR/.test(message))
    return "a file is where its folder should be; move it away or choose another store.path";
  return /permission denied|EACCES|EPERM/i.test(message)
    ? "the folder and every file in it must belong to the user that the agent runs as (chown -R)"
    : "check that the folder is writable and the disk has room";
}
