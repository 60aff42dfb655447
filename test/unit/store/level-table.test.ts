import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import { describe, expect, it } from "vitest";
import { damageInLogs, damageInTables } from "../../../src/store/level-check.js";
import { filesIn } from "../../../src/store/level-manifest.js";
import { damageOfTable } from "../../../src/store/level-table.js";
import { seeded } from "../../helpers/seeded.js";
import { temporaryFolder } from "../../helpers/tools.js";

/** Logs that follow one another, and looks at them. */
const LOGS_MIN = 10;
const LOOKS_MIN = 100;

/** A database that was compacted, with values that compress and others that do not. */
async function database(): Promise<string> {
  const path = await temporaryFolder();
  const random = seeded("tables");
  const noise = () => Array.from({ length: 60 }, () => random.next().toString(36)).join("");
  for (const life of ["a", "b", "c"]) {
    const db = new Level<string, string>(path);
    for (let i = 0; i < 2_000; i++) {
      await db.put(`${life} with a long key that repeats ${i}`, i % 2 === 0 ? noise() : "x".repeat(500));
    }
    if (life === "b") await db.clear({ lt: "a with a long key that repeats 5" });
    await db.close();
  }
  const db = new Level<string, string>(path);
  await (db as unknown as { compactRange(from: string, to: string): Promise<void> }).compactRange("a", "b");
  await db.close();
  return path;
}

/** Without a look at them: the database may let go of one at any moment. */
async function namesOf(path: string, kind: RegExp): Promise<string[]> {
  return (await readdir(path)).filter((name) => kind.test(name));
}

async function files(path: string, kind: RegExp): Promise<{ name: string; bytes: Buffer }[]> {
  const names = await namesOf(path, kind);
  return await Promise.all(names.map(async (name) => ({ name, bytes: await readFile(join(path, name)) })));
}

describe("the tables of LevelDB", () => {
  it("are all known from the manifest, and nothing is wrong with them as they are", async () => {
    const path = await database();
    const tables = await files(path, /\.ldb$/);
    const [manifest] = await files(path, /^MANIFEST/);
    expect(tables.length).toBeGreaterThan(1);
    expect(filesIn(manifest!.bytes).tables).toEqual(
      new Set(tables.map(({ name }) => Number.parseInt(name, 10))),
    );
    for (const { bytes } of tables) expect(damageOfTable(bytes)).toBeUndefined();
    expect(await damageInTables(path)).toBeUndefined();
  });

  it("show every bit that has turned but those of the padding before the end, and every cut", async () => {
    const [table] = await files(await database(), /\.ldb$/);
    const { bytes } = table!;
    const random = seeded("bits");
    for (let i = 0; i < 60; i++) {
      // The footer's handles are padded with zeros that mean nothing.
      const at = i < 8 ? bytes.length - 1 - i : random.below(bytes.length - 48);
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << random.below(8);
      expect(damageOfTable(flipped), `a bit at ${at} of ${bytes.length}`).toBeDefined();
      expect(damageOfTable(bytes.subarray(0, at))).toBeDefined();
    }
  });

  it("that nobody knows may be cut: a crash has left them", async () => {
    const path = await database();
    const [table] = await files(path, /\.ldb$/);
    await writeFile(join(path, "999999.ldb"), table!.bytes.subarray(0, 1_000));
    expect(await damageInTables(path)).toBeUndefined();
    await writeFile(join(path, table!.name), table!.bytes.subarray(0, 1_000));
    expect(await damageInTables(path)).toContain(table!.name);
  });
});

describe("the write-ahead log of LevelDB", () => {
  it("is never missed while another process has the database open, goes to the next one, or opens it again", async () => {
    const path = await temporaryFolder();
    const filler = "x".repeat(100_000);
    const logs = new Set<string>();
    let looks = 0;
    let over = false;
    const write = async () => {
      // Until there has been something to be seen, however slow the machine.
      for (let life = 0; !over && (logs.size <= LOGS_MIN || looks < LOOKS_MIN); life++) {
        const db = new Level<string, string>(path);
        for (let i = 0; i < 60; i++) await db.put(`${i}`, `${life}${filler}`);
        for (const name of await namesOf(path, /\.log$/)) logs.add(name);
        await db.close();
      }
    };
    const look = async () => {
      for (; !over; looks++) expect((await damageInLogs(path)).damage).toBeUndefined();
    };
    const end = () => {
      over = true;
    };
    await Promise.all([write().finally(end), look().finally(end)]);
    for (const name of await namesOf(path, /\.log$/)) await rm(join(path, name));
    expect((await damageInLogs(path)).damage).toContain("is missing");
  });
});
