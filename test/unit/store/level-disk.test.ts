import { chmod, chown, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LevelDisk } from "../../../src/store/level-disk.js";
import { temporaryFolder } from "../../helpers/tools.js";

async function writtenDisk(): Promise<{ readonly disk: LevelDisk; readonly folder: string }> {
  const path = await temporaryFolder();
  const disk = new LevelDisk(path);
  const db = await disk.open({ create: true });
  await db.batch([{ type: "put", key: "a", value: Buffer.from("1") }]);
  await db.close();
  return { disk, folder: join(path, "db") };
}

/** Without the rights of root, who may read everything. */
async function asNobody(path: string, work: () => Promise<void>): Promise<void> {
  if (process.getuid!() !== 0) return await work();
  const nobody = 65_534;
  for (const name of ["", ...(await readdir(path, { recursive: true }))])
    await chown(join(path, name), nobody, nobody);
  process.seteuid!(nobody);
  try {
    await work();
  } finally {
    process.seteuid!(0);
  }
}

describe("the disk under the store", () => {
  it("takes a database without its CURRENT for a damaged one, and does not begin another among its files", async () => {
    const { disk, folder } = await writtenDisk();
    await rm(join(folder, "CURRENT"));
    const before = (await readdir(folder)).filter((name) => /\d/.test(name));
    await expect(disk.open({ create: true })).rejects.toMatchObject({ fault: "damaged" });
    expect(await readdir(folder)).toEqual(expect.arrayContaining(before));
  });

  it("begins a database where an earlier process died in the middle of beginning one", async () => {
    const path = await temporaryFolder();
    const disk = new LevelDisk(path);
    await (await disk.open({ create: true })).close();
    for (const name of await readdir(join(path, "db"))) {
      if (name !== "LOCK") await rm(join(path, "db", name));
    }
    await writeFile(join(path, "db", "MANIFEST-000001"), "");
    await (await disk.open({ create: true })).close();
  });

  it("does not begin one where it is to open the one that was there", async () => {
    const { disk, folder } = await writtenDisk();
    await rm(folder, { recursive: true });
    await expect(disk.open({ create: false })).rejects.toMatchObject({ fault: "damaged" });
  });

  it("takes a database of which nothing is left for a lost one, and says how to begin anew on purpose", async () => {
    const { disk, folder } = await writtenDisk();
    await rm(folder, { recursive: true });
    for (const create of [true, false]) {
      await expect(new LevelDisk(disk.path).open({ create })).rejects.toMatchObject({
        fault: "damaged",
        message: expect.stringContaining(`remove ${join(disk.path, "begun")} as well`),
      });
    }
    await rm(join(disk.path, "begun"));
    await (await new LevelDisk(disk.path).open({ create: true })).close();
  });

  it("begins a database where one that had nothing in it yet is gone", async () => {
    const path = await temporaryFolder();
    await (await new LevelDisk(path).open({ create: true })).close();
    await rm(join(path, "db"), { recursive: true });
    await (await new LevelDisk(path).open({ create: true })).close();
  });

  it("remembers a database of an earlier Weir from its first batch on", async () => {
    const { disk, folder } = await writtenDisk();
    await rm(join(disk.path, "begun"));
    const later = new LevelDisk(disk.path);
    const db = await later.open({ create: true });
    await db.batch([{ type: "put", key: "b", value: Buffer.from("2") }]);
    await db.close();
    await rm(folder, { recursive: true });
    await expect(new LevelDisk(disk.path).open({ create: true })).rejects.toMatchObject({ fault: "damaged" });
  });

  it("confirms no batch before it is remembered that there is a database", async () => {
    const path = await temporaryFolder();
    const disk = new LevelDisk(path);
    const db = await disk.open({ create: true });
    await symlink(join(path, "nowhere", "begun"), join(path, "begun"));
    const batch = () => db.batch([{ type: "put", key: "a", value: Buffer.from("1") }]);
    await expect(batch()).rejects.toMatchObject({ name: "DiskError" });
    await rm(join(path, "begun"));
    await batch();
    expect(await readdir(path)).toContain("begun");
    await db.close();
  });

  it("begins the next one also where a crash came right after the one that was lost was set aside", async () => {
    const { disk, folder } = await writtenDisk();
    await rm(folder, { recursive: true });
    const first = new LevelDisk(disk.path);
    await expect(first.open({ create: true })).rejects.toMatchObject({ fault: "damaged" });
    await first.setAside("damaged-1");
    const second = new LevelDisk(disk.path);
    const db = await second.open({ create: true });
    await expect(second.openLeftBehind()).rejects.toMatchObject({ fault: "damaged" });
    await db.close();
  });

  it("misses a write-ahead log that its manifest names, which LevelDB does not", async () => {
    const { disk, folder } = await writtenDisk();
    const again = await new LevelDisk(disk.path).open({ create: true });
    await again.close();
    const [log] = (await readdir(folder)).filter((name) => name.endsWith(".log"));
    const whole = await readFile(join(folder, log!));
    await rm(join(folder, log!));
    await expect(new LevelDisk(disk.path).open({ create: true })).rejects.toMatchObject({
      fault: "damaged",
      message: `the write-ahead log ${log} is missing`,
    });
    await writeFile(join(folder, log!), whole);
    await (await new LevelDisk(disk.path).open({ create: true })).close();
  });

  it("is not opened without a write-ahead log that it may not read: LevelDB would do without it and delete it", async () => {
    const { disk, folder } = await writtenDisk();
    const log = (await readdir(folder)).find((name) => name.endsWith(".log"))!;
    await chmod(join(folder, log), 0);
    await asNobody(disk.path, async () => {
      await expect(disk.open({ create: true })).rejects.toMatchObject({
        fault: "failed",
        message: expect.stringContaining(`permission denied, open '${join(folder, log)}'`),
      });
    });
    await chmod(join(folder, log), 0o600);
    const db = await disk.open({ create: false });
    expect(Buffer.from((await db.get("a"))!).toString()).toBe("1");
    await db.close();
  });

  it("takes a write-ahead log that is a link to nowhere for damage", async () => {
    const { disk, folder } = await writtenDisk();
    const log = (await readdir(folder)).find((name) => name.endsWith(".log"))!;
    await rm(join(folder, log));
    await symlink("/nowhere", join(folder, log));
    await expect(disk.open({ create: true })).rejects.toMatchObject({ fault: "damaged" });
  });

  it("knows whether the database is still there", async () => {
    const { disk, folder } = await writtenDisk();
    expect(await disk.isThere()).toBe(true);
    await rename(folder, `${folder}-elsewhere`);
    expect(await disk.isThere()).toBe(false);
  });

  it("leaves nothing behind when it has tried whether the folder takes writes", async () => {
    const { disk } = await writtenDisk();
    await disk.takesWrites();
    expect((await readdir(disk.path)).sort()).toEqual(["begun", "db"]);
    await expect(new LevelDisk(join(disk.path, "nowhere")).takesWrites()).rejects.toMatchObject({
      fault: "failed",
    });
  });

  it("reserves four megabytes of blocks, not only of length, and gives them up", async () => {
    const { disk } = await writtenDisk();
    expect(await disk.reserve({ inPart: false })).toBe(true);
    const { size, blocks } = await stat(join(disk.path, "reserve"));
    expect(size).toBe(4 * 1024 * 1024);
    expect(blocks * 512).toBeGreaterThanOrEqual(size);
    await disk.giveUpReserve();
    expect((await readdir(disk.path)).sort()).toEqual(["begun", "db"]);
  });
});
