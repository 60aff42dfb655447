import { mkdir, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { messageOf } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import { Beginning } from "./beginning.js";
import {
  type Disk,
  DiskError,
  type DiskFault,
  type DiskLoss,
  type DiskUsage,
  type KeyValueIterator,
  type KeyValues,
  type Operation,
  type Range,
} from "./disk.js";
import { LeftBehind } from "./left-behind.js";
import { damageInLogs, damageInTables, isThere, putAwayDamaged } from "./level-check.js";
import { readAgain } from "./read-again.js";
import { Reserve } from "./reserve.js";

const DATABASE = "db";
/** LevelDB appends to these for as long as it is open, and begins new ones at each opening. */
const NOTES = /^(LOG|MANIFEST-.*)$/;
/** What a database has as soon as there is something in it. */
const DATA = /^\d+\.(log|ldb|sst)$/;
/** A block of most file systems. */
const PROBE = Buffer.alloc(4_096, 0x57);

/** The disk for real: a LevelDB in the subfolder `db`; beside it a reserve file, and one that says that it was begun. */
export class LevelDisk implements Disk {
  readonly path: string;
  readonly #folder: string;
  readonly #reserve: Reserve;
  readonly #leftBehind: LeftBehind;
  readonly #beginning: Beginning;
  /** Whether the tables were looked at. Once in a life is often: it reads all of them. */
  #looked = false;
  /** What the last opening has passed over. */
  #losses: readonly DiskLoss[] = [];

  constructor(path: string) {
    this.path = path;
    this.#folder = join(path, DATABASE);
    this.#reserve = new Reserve(path);
    this.#leftBehind = new LeftBehind(path);
    this.#beginning = new Beginning(path);
  }

  async open(options: { readonly create: boolean }): Promise<KeyValues> {
    if (options.create) {
      await translated(() => makeFolder(this.path));
      await translated(() => makeFolder(this.#folder), faultOfOpening);
    }
    if (!this.#looked) {
      const damage = await translated(() => damageInTables(this.#folder));
      if (damage !== undefined) throw new DiskError("damaged", damage, undefined);
      this.#looked = true;
    }
    const { damage, losses } = await translated(() => damageInLogs(this.#folder));
    if (damage !== undefined) throw new DiskError("damaged", damage, undefined);
    this.#losses = losses;
    const isToBegin = await translated(() => this.#isToBegin(), faultOfOpening);
    const db = await translated(() => openLevel(this.#folder, options.create && isToBegin), faultOfOpening);
    return new LevelKeyValues(db, this.#beginning);
  }

  /**
   * Whether this is the place for a new database. LevelDB takes one whose CURRENT it cannot see for none, and would
   * delete the others' files as stray ones.
   * @throws DiskError when there was one that is nowhere to be found
   */
  async #isToBegin(): Promise<boolean> {
    if (await hasData(this.#folder)) return false;
    // Where it was set aside, a crash may have come before the next one was begun.
    if ((await this.#leftBehind.name()) !== undefined || !(await this.#beginning.noted())) return true;
    const hint = `to begin anew on purpose, remove ${this.#beginning.file} as well`;
    throw new DiskError("damaged", `the database is gone, there is nothing left in db (${hint})`, undefined);
  }

  async losses(): Promise<readonly DiskLoss[]> {
    return this.#losses;
  }

  async setAside(suffix: string): Promise<string> {
    const kept = new Set(await readdir(this.path).catch(() => []));
    let name = `${DATABASE}.${suffix}`;
    // A clock without a battery may say the same time twice.
    for (let n = 2; kept.has(name); n++) name = `${DATABASE}.${suffix}-${n}`;
    const keptAs = join(this.path, name);
    await translated(async () => {
      await this.#leftBehind.remember(name);
      await rename(this.#folder, keptAs);
    });
    return keptAs;
  }

  leftBehind(): Promise<string | undefined> {
    return this.#leftBehind.name();
  }

  async openLeftBehind(): Promise<KeyValues> {
    return await translated(async () => {
      const folder = join(this.path, (await this.#leftBehind.name())!);
      // Of nothing LevelDB makes an empty one, and then nobody would say that there is nothing.
      if (!(await hasData(folder))) throw new DiskError("damaged", "there is nothing in it", undefined);
      await putAwayDamaged(folder);
      const db = await openLevel(folder, false).catch(async () => {
        // What LevelDB finds in the files on its own: tables without a list of them, for example.
        await (Level as unknown as Repairable).repair(folder);
        return await openLevel(folder, false);
      });
      return new LevelKeyValues(db, this.#beginning);
    }, faultOfOpening);
  }

  forgetLeftBehind(): Promise<void> {
    return this.#leftBehind.forget();
  }

  async usage(): Promise<DiskUsage> {
    const files = await sizesOf(this.#folder);
    const notes = files.filter(({ name }) => NOTES.test(name));
    const beside = await readdir(this.path).catch(() => []);
    const setAside = beside.filter((name) => name.startsWith(`${DATABASE}.`));
    const kept = await Promise.all(setAside.map((name) => sizesOf(join(this.path, name))));
    return {
      databaseBytes: sum(files),
      notesBytes: sum(notes),
      setAside: setAside.length,
      setAsideBytes: sum(kept.flat()),
    };
  }

  async isThere(): Promise<boolean> {
    return await isThere(join(this.#folder, "CURRENT"));
  }

  async takesWrites(): Promise<void> {
    const probe = join(this.path, "probe");
    await translated(async () => {
      try {
        const file = await open(probe, "w", 0o600);
        try {
          await file.write(PROBE);
          await file.datasync();
        } finally {
          await file.close();
        }
      } finally {
        await unlink(probe).catch(() => undefined);
      }
    });
  }

  reserve(options: { readonly inPart: boolean }): Promise<boolean> {
    return this.#reserve.restore(options);
  }

  giveUpReserve(): Promise<void> {
    return this.#reserve.giveUp();
  }
}

async function makeFolder(folder: string): Promise<void> {
  // Asked for all parents at once, Node.js calls a full disk a missing folder; alone it says what is the matter.
  await mkdir(folder, { recursive: true, mode: 0o750 }).catch(() => mkdir(folder, { mode: 0o750 }));
}

async function hasData(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return names.some((name) => DATA.test(name));
}

async function openLevel(folder: string, createIfMissing: boolean): Promise<Level<string, Uint8Array>> {
  const db = new Level<string, Uint8Array>(folder, {
    keyEncoding: "utf8",
    valueEncoding: "view",
    createIfMissing,
    // What is read is mostly read once; the system keeps the files' pages besides.
    cacheSize: LIMITS.databaseCacheBytes,
  });
  await db.open();
  return db;
}

interface SizedFile {
  readonly name: string;
  readonly bytes: number;
}

async function sizesOf(folder: string): Promise<readonly SizedFile[]> {
  const names = await readdir(folder).catch(() => []);
  return await Promise.all(
    names.map(async (name) => ({
      name,
      // LevelDB deletes files while we look.
      bytes: await stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    })),
  );
}

function sum(files: readonly SizedFile[]): number {
  return files.reduce((total, { bytes }) => total + bytes, 0);
}

/** What `level` has in Node.js beside what it promises everywhere. */
interface Compactable {
  compactRange(start: string, end: string): Promise<void>;
}
interface Synchronous {
  getSync(key: string): Uint8Array | undefined;
}
interface Repairable {
  repair(folder: string): Promise<void>;
}

class LevelKeyValues implements KeyValues {
  readonly #db: Level<string, Uint8Array>;
  readonly #beginning: Beginning;

  constructor(db: Level<string, Uint8Array>, beginning: Beginning) {
    this.#db = db;
    this.#beginning = beginning;
  }

  batch(operations: readonly Operation[]): Promise<void> {
    return translated(async () => {
      await this.#db.batch(operations as Operation[], { sync: true });
      await this.#beginning.note();
    });
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return translated(() => this.#db.get(key));
  }

  getSync(key: string): Uint8Array | undefined {
    return readAgain(() => {
      try {
        return (this.#db as unknown as Synchronous).getSync(key);
      } catch (error) {
        throw told(error, faultOf);
      }
    });
  }

  keys(range: Range): Promise<string[]> {
    return translated(() => this.#db.keys(range).all());
  }

  iterate(range: Range): KeyValueIterator {
    const begin = () => this.#db.iterator(range);
    let iterator: ReturnType<typeof begin> | undefined;
    return {
      // Opening it is put off to where a failure can be told.
      next: (entriesMax) =>
        translated(async () => {
          iterator ??= begin();
          return await iterator.nextv(entriesMax);
        }),
      close: async () => await iterator?.close(),
    };
  }

  compact(from: string, to: string): Promise<void> {
    const db = this.#db as unknown as Compactable;
    return translated(() => db.compactRange(from, to));
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}

async function translated<T>(work: () => Promise<T>, fault = faultOf): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw told(error, fault);
  }
}

function told(error: unknown, fault: typeof faultOf): DiskError {
  if (error instanceof DiskError) return error;
  const cause = rootCause(error);
  return new DiskError(fault(cause), messageOf(cause), error);
}

/** abstract-level wraps what LevelDB said. */
function rootCause(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? rootCause(error.cause) : error;
}

/** A table that is shorter than the database knows it, or no table any more. */
const TABLE_GONE = /\.(ldb|sst): (invalid argument|no such file or directory|is a directory)$/i;
/** Node.js has no name for EDQUOT, only its number. */
const NO_SPACE = new RegExp(
  `no space left|ENOSPC|disk quota|system error -${constants.errno.EDQUOT}\\b`,
  "i",
);

function faultOf(cause: unknown): DiskFault {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (code === "LEVEL_CORRUPTION") return "damaged";
  if (code === "LEVEL_LOCKED") return "locked";
  if (TABLE_GONE.test(messageOf(cause))) return "damaged";
  return NO_SPACE.test(messageOf(cause)) ? "full" : "failed";
}

/** A missing piece of the database shows as an I/O or argument error. What the system cannot read now is none. */
const DAMAGE =
  /: (no such file or directory|not a directory|is a directory)$|create_if_missing is false|^(EEXIST|ENOTDIR):/i;

function faultOfOpening(cause: unknown): DiskFault {
  const fault = faultOf(cause);
  return fault === "failed" && DAMAGE.test(messageOf(cause)) ? "damaged" : fault;
}
