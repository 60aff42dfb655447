import { mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import { CorruptRecord } from "../model/bytes.js";
import type { Clock, Timers } from "../model/clock.js";
import { messageOf, WeirError } from "../model/errors.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import { Reserve } from "./reserve.js";

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
export type Operation =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: string };

export interface DatabaseOptions {
  /** Folder; the LevelDB is its subfolder `db`. */
  readonly path: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly observer: Observer;
}

export interface Range {
  readonly gt?: string;
  readonly gte?: string;
  readonly lt?: string;
  readonly limit?: number;
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
const NO_SPACE = /no space left|ENOSPC|disk quota/i;

type Db = Level<string, Uint8Array>;

export class Database {
  readonly #options: DatabaseOptions;
  readonly #reserve: Reserve;
  #db: Db;
  #tail: Promise<void> = Promise.resolve();
  #failing: string | undefined;
  #closing = false;
  #wake: (() => void) | undefined;

  private constructor(options: DatabaseOptions, db: Db, reserve: Reserve) {
    this.#options = options;
    this.#db = db;
    this.#reserve = reserve;
  }

  /**
   * Opens the database, setting a damaged one aside.
   * @throws WeirError `store-locked`, `store-unavailable`
   */
  static async open(options: DatabaseOptions): Promise<Database> {
    await mkdir(options.path, { recursive: true, mode: 0o750 }).catch((error: unknown) =>
      Promise.reject(unavailable(options.path, error)),
    );
    const reserve = new Reserve(options.path);
    let db: Db;
    try {
      db = await openLevel(options.path);
    } catch (error) {
      const cause = rootCause(error);
      if (NO_SPACE.test(messageOf(cause))) {
        await reserve.giveUp();
        db = await openLevel(options.path).catch((again: unknown) =>
          Promise.reject(unavailable(options.path, again)),
        );
      } else if (isDamage(cause)) {
        await setAside(options, messageOf(cause));
        db = await openLevel(options.path);
      } else {
        throw unavailable(options.path, error);
      }
    }
    await reserve.restore();
    await reportLoss(options);
    return new Database(options, db, reserve);
  }

  /**
   * For looking at the store of an agent that is not running: nothing is created, set aside or reserved.
   * @throws WeirError `store-locked`, `store-unavailable`
   */
  static async inspect(options: DatabaseOptions): Promise<Database> {
    const db = await openLevel(options.path, { createIfMissing: false }).catch((error: unknown) =>
      Promise.reject(unavailable(options.path, error)),
    );
    return new Database(options, db, new Reserve(options.path));
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
        if (this.#db.status !== "open") this.#db = await openLevel(this.#options.path);
        await this.#db.batch(operations as Operation[], { sync: true });
        if (attempts > 0) await this.#recovered(attempts);
        return;
      } catch (error) {
        const cause = rootCause(error);
        if (this.#closing) {
          throw new WeirError("store-write-failed", messageOf(cause), { retryable: true, cause: error });
        }
        this.#failing = messageOf(cause);
        this.#options.observer.emit(storeWriteFailed, { reason: this.#failing, retryMs });
        await this.#db.close().catch(() => undefined);
        if (NO_SPACE.test(this.#failing)) await this.#reserve.giveUp();
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
    await this.#reserve.restore();
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return await this.#reading((db) => db.get(key));
  }

  /** All entries of a range, in key order. Reads while writes fail reject as retryable. */
  async *entries(range: Range): AsyncGenerator<[string, Uint8Array]> {
    const iterator = await this.#reading(async (db) => db.iterator(range));
    try {
      for (;;) {
        // The database may be closed for mending at any time; that is no reason to give anything up.
        const some = await this.#reading(() => iterator.nextv(500));
        if (some.length === 0) return;
        yield* some;
      }
    } finally {
      await iterator.close();
    }
  }

  async keys(range: Range): Promise<string[]> {
    return await this.#reading((db) => db.keys(range).all());
  }

  /** The greatest key of a range. */
  async lastKey(range: Range): Promise<string | undefined> {
    const keys = await this.#reading((db) => db.keys({ ...range, reverse: true, limit: 1 }).all());
    return keys[0];
  }

  async #reading<T>(read: (db: Db) => Promise<T>): Promise<T> {
    try {
      return await read(this.#db);
    } catch (error) {
      const cause = rootCause(error);
      if (codeOf(cause) === "LEVEL_CORRUPTION") throw new CorruptRecord(messageOf(cause));
      throw new WeirError("store-read-failed", messageOf(cause), { retryable: true, cause: error });
    }
  }

  /** Abandons a write that keeps failing, waits for one that does not, and closes. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#wake?.();
    await this.#tail;
    await this.#db.close();
  }
}

async function openLevel(path: string, options: { readonly createIfMissing?: boolean } = {}): Promise<Db> {
  const db = new Level<string, Uint8Array>(join(path, "db"), {
    keyEncoding: "utf8",
    valueEncoding: "view",
    ...options,
  });
  await db.open();
  return db;
}

/** Renames a damaged database, keeping it for whoever wants to look; the next `open` begins an empty one. */
export async function setAside(options: DatabaseOptions, reason: string): Promise<void> {
  const stamp = new Date(options.clock.wallMs()).toISOString().replaceAll(":", "").replace(".", "");
  const keptAs = join(options.path, `db.damaged-${stamp}`);
  await rename(join(options.path, "db"), keptAs);
  options.observer.emit(storeSetAside, { path: options.path, keptAs, reason });
}

/** Enough of LevelDB's own log to hold what it says of one opening. */
const LEVEL_LOG_BYTES = 65_536;

/**
 * LevelDB passes over a damaged part of its write-ahead log, and tells only its own log file. What was in there may
 * have been acknowledged, so an operator has to hear of it.
 */
async function reportLoss(options: DatabaseOptions): Promise<void> {
  const file = join(options.path, "db", "LOG");
  const text = await readFile(file, "utf8").catch(() => "");
  for (const [, bytes, reason] of text.slice(0, LEVEL_LOG_BYTES).matchAll(/dropping (\d+) bytes; (.*)/g)) {
    options.observer.emit(storeLoss, { path: options.path, bytes: Number(bytes), reason: reason! });
  }
}

/** abstract-level wraps what LevelDB said. */
function rootCause(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? rootCause(error.cause) : error;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function isDamage(cause: unknown): boolean {
  const code = codeOf(cause);
  if (code === "LEVEL_CORRUPTION") return true;
  // A missing or unreadable piece of the database shows as an I/O or argument error that names it.
  return /corrupt|missing file|does not exist \(create_if_missing|no such file|not a directory|bad record|CURRENT/i.test(
    messageOf(cause),
  );
}

function unavailable(path: string, error: unknown): WeirError {
  const cause = rootCause(error);
  if (codeOf(cause) === "LEVEL_LOCKED") {
    return new WeirError("store-locked", `the store ${path} is in use by another process`, {
      hint: "another agent may be running; stop it or choose another store.path",
      cause: error,
    });
  }
  return new WeirError("store-unavailable", `cannot open the store ${path}: ${messageOf(cause)}`, {
    hint: "check that the folder is writable and the disk has room",
    retryable: true,
    cause: error,
  });
}
