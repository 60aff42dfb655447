import { CorruptRecord } from "../model/bytes.js";
import type { Clock, Timers } from "../model/clock.js";
import { messageOf, WeirError } from "../model/errors.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import { type Disk, DiskError, type DiskUsage, type KeyValues, type Operation, type Range } from "./disk.js";
import { LevelDisk } from "./level-disk.js";

/**
 * The LevelDB of one agent, and what happens when it fails.
 *
 * Every write is one synced batch, and one write follows another. After any failed write the database is closed
 * and opened again before the same batch is tried anew and anything is acknowledged: LevelDB goes on appending to
 * a log with a torn record in it, and recovery stops at the torn record, so what was "written" behind it is gone.
 * A batch is tried until it is in, so a caller waits, its source waits, and nothing is lost; opening needs some
 * free space itself, for which a reserve file is given up when the disk is full.
 *
 * A database that is damaged is renamed to `db.damaged-…` and a new one begun; it is never deleted. One that is
 * merely not accessible (locked by another process, no permission) is an error for the operator.
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
  "the disk has damaged the newest part of the store; readings in it are lost although they were acknowledged",
);
const storeWriteFailed = defineEvent<{ readonly reason: string; readonly retryMs: number }>(
  "store-write-failed",
  "error",
  "the store cannot be written; nothing is acknowledged until it can",
);
const storeRecovered = defineEvent<{ readonly attempts: number }>(
  "store-recovered",
  "warn",
  "the store can be written again",
);

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 10_000;

export class Database {
  readonly #options: DatabaseOptions;
  readonly #disk: Disk;
  /** Undefined while it is closed for mending. */
  #db: KeyValues | undefined;
  #tail: Promise<void> = Promise.resolve();
  #failing: string | undefined;
  #closing = false;
  #wake: (() => void) | undefined;

  private constructor(options: DatabaseOptions, disk: Disk, db: KeyValues) {
    this.#options = options;
    this.#disk = disk;
    this.#db = db;
  }

  /**
   * Opens the database, setting a damaged one aside.
   * @throws WeirError `store-locked`, `store-unavailable`
   */
  static async open(options: DatabaseOptions): Promise<Database> {
    const disk = diskOf(options);
    const open = () => disk.open({ create: true });
    let db: KeyValues;
    try {
      db = await open();
    } catch (error) {
      const fault = error instanceof DiskError ? error.fault : "failed";
      if (fault === "full") await disk.giveUpReserve();
      else if (fault === "damaged") await setAside(options, messageOf(error));
      else throw unavailable(options.path, error);
      db = await open().catch((again: unknown) => Promise.reject(unavailable(options.path, again)));
    }
    await disk.reserve();
    for (const { bytes, reason } of await disk.losses()) {
      options.observer.emit(storeLoss, { path: options.path, bytes, reason });
    }
    return new Database(options, disk, db);
  }

  /**
   * For looking at the store of an agent that is not running: nothing is created, set aside or reserved.
   * @throws WeirError `store-locked`, `store-unavailable`
   */
  static async inspect(options: DatabaseOptions): Promise<Database> {
    const disk = diskOf(options);
    const db = await disk
      .open({ create: false })
      .catch((error: unknown) => Promise.reject(unavailable(options.path, error)));
    return new Database(options, disk, db);
  }

  /** Why writes fail at present; undefined when they do not. */
  get failing(): string | undefined {
    return this.#failing;
  }

  /** Resolves when the operations are synced to disk, all or none; keeps trying until they are or `close` is called. */
  write(operations: readonly Operation[]): Promise<void> {
    const done = this.#tail.then(() => this.#writeUntilDone(operations));
    this.#tail = done.catch(() => undefined);
    return done;
  }

  async #writeUntilDone(operations: readonly Operation[]): Promise<void> {
    let retryMs = RETRY_FIRST_MS;
    for (let attempts = 0; ; attempts++) {
      try {
        this.#db ??= await this.#disk.open({ create: true });
        await this.#db.batch(operations);
        if (attempts > 0) await this.#recovered(attempts);
        return;
      } catch (error) {
        if (this.#closing) {
          throw new WeirError("store-write-failed", messageOf(error), { retryable: true, cause: error });
        }
        this.#failing = messageOf(error);
        this.#options.observer.emit(storeWriteFailed, { reason: this.#failing, retryMs });
        const broken = this.#db;
        this.#db = undefined;
        await broken?.close().catch(() => undefined);
        if (error instanceof DiskError && error.fault === "full") await this.#disk.giveUpReserve();
        await this.#pause(retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#options.timers.after(ms, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wake = undefined;
  }

  async #recovered(attempts: number): Promise<void> {
    this.#failing = undefined;
    this.#options.observer.emit(storeRecovered, { attempts });
    await this.#disk.reserve();
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return await this.#reading((db) => db.get(key));
  }

  /** All entries of a range, in key order. Reads while writes fail reject as retryable. */
  async *entries(range: Range): AsyncGenerator<[string, Uint8Array]> {
    const iterator = await this.#reading(async (db) => db.iterate(range));
    try {
      for (;;) {
        // The database may be closed for mending at any time; that is no reason to give anything up.
        const some = await this.#reading(() => iterator.next(500));
        if (some.length === 0) return;
        yield* some;
      }
    } finally {
      await iterator.close();
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

  /** Closes and opens again between two writes, as a failed write does: its notes about itself begin anew. */
  async renew(): Promise<void> {
    const renewed = this.#tail.then(async () => {
      if (this.#closing || this.#db === undefined) return;
      const db = this.#db;
      this.#db = undefined;
      await db.close();
      // Should it not open, the next write tries again and says why.
      this.#db = await this.#disk.open({ create: true }).catch(() => undefined);
    });
    this.#tail = renewed.catch(() => undefined);
    await renewed;
  }

  async #reading<T>(read: (db: KeyValues) => Promise<T>): Promise<T> {
    try {
      if (this.#db === undefined) throw new DiskError("failed", this.#failing ?? "closed", undefined);
      return await read(this.#db);
    } catch (error) {
      if (error instanceof DiskError && error.fault === "damaged") throw new CorruptRecord(error.message);
      throw new WeirError("store-read-failed", messageOf(error), { retryable: true, cause: error });
    }
  }

  /** Abandons a write that keeps failing, waits for one that does not, and closes. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#wake?.();
    await this.#tail;
    await this.#db?.close();
    this.#db = undefined;
  }
}

function diskOf({ path, disk }: DatabaseOptions): Disk {
  return disk ?? new LevelDisk(path);
}

/** Renames a damaged database, keeping it for whoever wants to look; the next `open` begins an empty one. */
export async function setAside(options: DatabaseOptions, reason: string): Promise<void> {
  const stamp = new Date(options.clock.wallMs()).toISOString().replaceAll(":", "").replace(".", "");
  const keptAs = await diskOf(options).setAside(`damaged-${stamp}`);
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
    hint: "check that the folder is writable and the disk has room",
    retryable: true,
    cause: error,
  });
}
