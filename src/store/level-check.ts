import { mkdir, readdir, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import type { DiskLoss } from "./disk.js";
import { tablesIn } from "./level-manifest.js";
import { damageOfTable } from "./level-table.js";
import { unseenLossBytes } from "./level-wal.js";

/** Looking at the files of a LevelDB before LevelDB does: at what it would pass over, or stumble over. */
const TABLE = /^(\d+)\.(ldb|sst)$/;

/** @returns what is wrong with the tables of a database; undefined when nothing is */
export async function damageIn(folder: string): Promise<string | undefined> {
  const known = await knownTables(folder);
  for (const name of await tablesOf(folder)) {
    if (!known.has(Number.parseInt(name, 10))) continue;
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
async function knownTables(folder: string): Promise<ReadonlySet<number>> {
  const current = (await read(join(folder, "CURRENT"))).toString().trim();
  if (!/^MANIFEST-\d+$/.test(current)) return new Set();
  return tablesIn(await read(join(folder, current)));
}

async function damageOf(path: string): Promise<string | undefined> {
  const entry = await stat(path);
  return entry.isFile() ? damageOfTable(await readFile(path)) : "it is no file";
}

/** What cannot be read LevelDB will not be able to read either, and will say so. */
async function read(path: string): Promise<Buffer> {
  return await readFile(path).catch(() => Buffer.alloc(0));
}
