import { readdir, rm, stat, writeFile } from "node:fs/promises";
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

  it("leaves nothing behind when it has tried whether the folder takes writes", async () => {
    const { disk } = await writtenDisk();
    await disk.takesWrites();
    expect((await readdir(disk.path)).sort()).toEqual(["db"]);
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
    expect(await readdir(disk.path)).toEqual(["db"]);
  });
});
