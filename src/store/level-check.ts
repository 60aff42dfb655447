import { mkdir, readdir, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import type { DiskLoss } from "./disk.js";
import { filesIn, type KnownFiles } from "./level-manifest.js";
import { damageOfTable } from "./level-table.js";
import { unseenLossBytes } from "./level-wal.js";

/** Looking at the files of a LevelDB before LevelDB does: at what it would pass over, or stumble over. */
const TABLE = /^(\d+)\.(ldb|sst)$/;
const LOG = /^\d+\.log$/;

/** @returns what is wrong with the files that a database knows of; undefined when nothing is */
export async function damageIn(folder: string): Promise<string | undefined> {
  const log = await missingLog(folder);
  if (log !== undefined) return `the write-ahead log ${log} is missing`;
  const { tables } = await knownFiles(folder);
  for (const name of await tablesOf(folder)) {
    if (!tables.has(Number.parseInt(name, 10))) continue;
    const damage = await damageOf(join(folder, name));
    if (damage !== undefined) return `the table ${name} is damaged: ${damage}`;
  }
  return undefined;
}

/**
 * LevelDB reads the logs that are there, from the one that its manifest names on, and does not miss that one itself.
 *
 * No crash takes it away. It is made before the manifest names it, and the folder is synced before each change of the
 * manifest; it is deleted when the manifest names a later one. Where the end of the manifest is torn, it names the log
 * before, and that has not been deleted yet.
 * @returns the number of the log that the manifest names, when that is not there
 */
export async function missingLog(folder: string): Promise<number | undefined> {
  const { log } = await knownFiles(folder);
  if (log === 0) return undefined;
  const names = await readdir(folder);
  if (names.some((name) => LOG.test(name) && Number.parseInt(name, 10) === log)) return undefined;
  // A process that has the database open may have gone on to the next one just now; LevelDB's lock will tell.
  return (await knownFiles(folder)).log === log ? log : undefined;
}

/** Moves damaged tables to where LevelDB does not see them. */
export async function putAwayDamaged(folder: string): Promise<void> {
  for (const name of await tablesOf(folder)) {
    if ((await damageOf(join(folder, name))) === undefined) continue;
    await mkdir(join(folder, "damaged"), { recursive: true });
    await rename(join(folder, name), join(folder, "damaged", name));
  }
}

/** Opening turns the write-ahead log into a table, so this is to be looked at before. */
export async function unseenLossesIn(folder: string): Promise<DiskLoss[]> {
  const names = await readdir(folder).catch((): string[] => []);
  const found: DiskLoss[] = [];
  for (const name of names.filter((file) => file.endsWith(".log")).sort()) {
    const bytes = unseenLossBytes(await read(join(folder, name)));
    if (bytes > 0) found.push({ bytes, reason: `${name} ends before its last record` });
  }
  return found;
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
  return await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw error;
    },
  );
}

async function damageOf(path: string): Promise<string | undefined> {
  const entry = await stat(path);
  return entry.isFile() ? damageOfTable(await readFile(path)) : "it is no file";
}

/** What cannot be read LevelDB will not be able to read either, and will say so. */
async function read(path: string): Promise<Buffer> {
  return await readFile(path).catch(() => Buffer.alloc(0));
}
