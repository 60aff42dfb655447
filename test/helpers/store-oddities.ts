/** Stores of which files are missing or something else altogether: what is done to a store's folder, by what is found. */
import { mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What LevelDB itself takes for a database that is to be begun, or that lacks nothing. */
export const LOSSES: Readonly<Record<string, (path: string) => Promise<void>>> = {
  "the database is gone": (path) => rm(join(path, "db"), { recursive: true }),
  "every file is gone": (path) => replaceAll(path, /./, remove),
  "what is in the files is gone, and the list of them is there": (path) =>
    replaceAll(path, /\d\.(ldb|log)$/, remove),
  "the write-ahead log is gone": (path) => replaceAll(path, /\d\.log$/, remove),
};

export const ODDITIES: Readonly<Record<string, (path: string) => Promise<void>>> = {
  "CURRENT is gone": (path) => rm(join(path, "db", "CURRENT")),
  "CURRENT is empty": (path) => truncate(join(path, "db", "CURRENT"), 0),
  "the manifest is gone": (path) => replaceAll(path, /^MANIFEST/, remove),
  "the manifest is a folder": (path) => replaceAll(path, /^MANIFEST/, byFolder),
  "the tables are gone": (path) => replaceAll(path, /ldb$/, remove),
  "the tables are empty": (path) => replaceAll(path, /ldb$/, (file) => truncate(file, 0)),
  "the tables are folders": (path) => replaceAll(path, /ldb$/, byFolder),
  "the tables are each other": swapTables,
  "the write-ahead log is a folder": (path) => replaceAll(path, /\d\.log$/, byFolder),
  "a record near the end says that it is longer": (path) =>
    replaceAll(path, /\d\.log$/, (file) => change(file, lengthen)),
  "the lock is a folder": (path) => replaceAll(path, /^LOCK$/, byFolder),
  "LevelDB's own log is a folder": (path) => replaceAll(path, /^LOG/, byFolder),
  "the database is a file": async (path) => {
    await rm(join(path, "db"), { recursive: true });
    await writeFile(join(path, "db"), "no database");
  },
  "every file is empty": (path) => replaceAll(path, /./, (file) => truncate(file, 0)),
  "every file is noise": (path) => replaceAll(path, /./, (file) => writeFile(file, "noise".repeat(1_000))),
  "the reserve is a folder": (path) => byFolder(join(path, "reserve")),
  "what was left behind is nowhere": (path) => writeFile(join(path, "left-behind"), "db.damaged-1"),
  "what was left behind is out of reach": (path) => writeFile(join(path, "left-behind"), "../../etc"),
  "the note of what was left behind is a folder": (path) => byFolder(join(path, "left-behind")),
};

async function replaceAll(path: string, files: RegExp, how: (file: string) => Promise<void>): Promise<void> {
  const names = await readdir(join(path, "db"));
  for (const name of names.filter((each) => files.test(each))) await how(join(path, "db", name));
}

async function remove(file: string): Promise<void> {
  await rm(file, { recursive: true, force: true });
}

async function byFolder(file: string): Promise<void> {
  await remove(file);
  await mkdir(file);
}

/** Of LevelDB's write-ahead log: checksum, length and type, and then the data; in blocks of 32 KiB. */
function lengthen(log: Buffer): void {
  const block = log.length - (log.length % 32_768);
  // The first one in the block may be the rest of one that began before.
  const second = block + 7 + log.readUInt16LE(block + 4);
  log.writeUInt8(log[second + 5]! | 0x80, second + 5);
}

async function swapTables(path: string): Promise<void> {
  const folder = join(path, "db");
  const tables = (await readdir(folder)).filter((name) => name.endsWith(".ldb")).sort();
  const contents = await Promise.all(tables.map((name) => readFile(join(folder, name))));
  for (const [i, name] of tables.entries()) await writeFile(join(folder, name), contents.at(i - 1)!);
}

export async function change(path: string, how: (data: Buffer) => void): Promise<void> {
  const data = await readFile(path);
  how(data);
  await writeFile(path, data);
}
