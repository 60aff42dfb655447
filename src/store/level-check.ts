import { lstat, mkdir, readdir, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import type { DiskLoss } from "./disk.js";
import { filesIn, type KnownFiles } from "./level-manifest.js";
import { damageOfTable } from "./level-table.js";
import { readLog } from "./level-wal.js";

/** Looking at the files of a LevelDB before LevelDB does: at what it would pass over, or stumble over. */
const TABLE = /^(\d+)\.(ldb|sst)$/;
const LOG = /^\d+\.log$/;

/** @returns what is wrong with the tables that a database knows of; undefined when nothing is */
export async function damageInTables(folder: string): Promise<string | undefined> {
  const { tables } = await knownFiles(folder);
  for (const name of await tablesOf(folder)) {
    if (!tables.has(Number.parseInt(name, 10))) continue;
    const damage = await damageOf(join(folder, name));
    if (damage !== undefined) return `the table ${name} is damaged: ${damage}`;
  }
  return undefined;
}

/** Moves damaged tables to where LevelDB does not see them. */
export async function putAwayDamaged(folder: string): Promise<void> {
  for (const name of await tablesOf(folder)) {
    if ((await damageOf(join(folder, name))) === undefined) continue;
    await mkdir(join(folder, "damaged"), { recursive: true });
    await rename(join(folder, name), join(folder, "damaged", name));
  }
}

/** What the write-ahead logs of a database have lost. */
export interface LogDamage {
  /** Something that had been acknowledged; undefined where nothing proves that. */
  readonly damage?: string;
  /** What may have been the newest write, cut off in its midst. */
  readonly losses: readonly DiskLoss[];
}

/**
 * To be looked at before each opening, which turns the logs into tables: LevelDB passes over what is damaged in them, and
 * reads those that are there, from the one that its manifest names on, without missing that one itself.
 *
 * No crash takes that one away. It is made before the manifest names it, and the folder is synced before each change of
 * the manifest; it is deleted when the manifest names a later one. Where the end of the manifest is torn, it names the
 * log before, and that has not been deleted yet.
 * @throws where a log cannot be read; LevelDB would do without it, and delete it
 */
export async function damageInLogs(folder: string): Promise<LogDamage> {
  const found = await lookThroughLogs(folder);
  if (found.damage === undefined) return found;
  // A process that has the database open may have been writing, or have gone on to the next log; its lock will tell.
  const again = await lookThroughLogs(folder);
  return again.damage === found.damage ? again : { losses: again.losses };
}

async function lookThroughLogs(folder: string): Promise<LogDamage> {
  const { log: oldest } = await knownFiles(folder);
  // LevelDB does not open it either then.
  if (oldest === 0) return { losses: [] };
  const numbers = (await readdir(folder))
    .filter((name) => LOG.test(name))
    .map((name) => Number.parseInt(name, 10));
  const losses: DiskLoss[] = [];
  if (!numbers.includes(oldest))
    return { damage: `the write-ahead log ${nameOf(oldest)} is missing`, losses };
  let flawed: { readonly name: string; readonly at: number } | undefined;
  for (const number of numbers.filter((each) => each >= oldest).sort((a, b) => a - b)) {
    const name = nameOf(number);
    const content = await contentOf(join(folder, name));
    if (content === undefined) continue;
    if (content === "no file") return { damage: `the write-ahead log ${name} is no file`, losses };
    const { flaw, hasBatches } = readLog(content);
    if (flaw?.isFollowed || (flawed !== undefined && hasBatches)) {
      const { name: where, at } = flawed ?? { name, at: flaw!.at };
      return { damage: `the write-ahead log ${where} is damaged at byte ${at}`, losses };
    }
    if (flaw === undefined) continue;
    flawed ??= { name, at: flaw.at };
    const reason = `${name} is damaged at byte ${flaw.at}, and nothing intact begins behind it`;
    if (!flaw.isEnd) losses.push({ bytes: content.length - flaw.at, reason });
  }
  return { losses };
}

function nameOf(log: number): string {
  return `${String(log).padStart(6, "0")}.log`;
}

/** Undefined where it is gone by now. @throws when it cannot be read */
async function contentOf(path: string): Promise<Buffer | "no file" | undefined> {
  if ((await unlessGone(lstat(path))) === undefined) return undefined;
  // A link may lead nowhere.
  const entry = await unlessGone(stat(path));
  return entry?.isFile() ? await unlessGone(readFile(path)) : "no file";
}

async function unlessGone<T>(looked: Promise<T>): Promise<T | undefined> {
  return await looked.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

async function tablesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.filter((name) => TABLE.test(name)).sort();
}

/** None where that cannot be read: then LevelDB does not open the database either. */
async function knownFiles(folder: string): Promise<KnownFiles> {
  const current = (await read(join(folder, "CURRENT"))).toString().trim();
  if (!/^MANIFEST-\d+$/.test(current)) return { tables: new Set(), log: 0 };
  return filesIn(await read(join(folder, current)));
}

/** @throws when that cannot be told */
export async function isThere(path: string): Promise<boolean> {
  return (await unlessGone(stat(path))) !== undefined;
}

async function damageOf(path: string): Promise<string | undefined> {
  const entry = await stat(path);
  return entry.isFile() ? damageOfTable(await readFile(path)) : "it is no file";
}

/** What cannot be read LevelDB will not be able to read either, and will say so. */
async function read(path: string): Promise<Buffer> {
  return await readFile(path).catch(() => Buffer.alloc(0));
}
