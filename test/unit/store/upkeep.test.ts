import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Database } from "../../../src/store/database.js";
import type { DiskUsage } from "../../../src/store/disk.js";
import { Upkeep } from "../../../src/store/upkeep.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { EventNames, openStore } from "../../helpers/store.js";
import { temporaryFolder } from "../../helpers/tools.js";

const MB = 1e6;

/** A database of which only the sizes matter. */
class SizedDatabase {
  readonly calls: string[] = [];
  failing: string | undefined;
  looks = 0;
  bytes = 0;
  notesBytes = 0;
  /** What a compaction of a range brings it down to. */
  liveBytes = 0;

  async usage(): Promise<DiskUsage> {
    return { databaseBytes: this.bytes, notesBytes: this.notesBytes, setAside: 0, setAsideBytes: 0 };
  }

  async compact(from: string, to: string): Promise<void> {
    this.calls.push(`${from}-${to}`);
    this.bytes = Math.min(this.bytes, this.liveBytes);
  }

  async checkThere(): Promise<void> {
    this.looks++;
  }

  async renew(): Promise<void> {
    this.calls.push("renew");
    this.notesBytes = 0;
  }
}

function rig() {
  const database = new SizedDatabase();
  const options = { database, observer: new EventNames(), budgetBytes: 100 * MB, logTail: () => 35 };
  const upkeep = new Upkeep(options);
  const look = async (bytes: number) => {
    database.bytes = bytes;
    upkeep.look();
    await upkeep.settled();
    return database.calls.splice(0);
  };
  return { database, upkeep, look };
}

describe("Upkeep", () => {
  it("compacts only what was dropped, and only over the budget", async () => {
    const { database, look } = rig();
    database.liveBytes = 90 * MB;
    expect(await look(99 * MB)).toEqual([]);
    expect(await look(101 * MB)).toEqual(["j-k", "l-l0000000000z"]);
  });

  it("compacts everything when dropped ranges were not enough", async () => {
    const { database, look } = rig();
    database.liveBytes = 130 * MB;
    expect(await look(140 * MB)).toEqual(["j-k", "l-l0000000000z", "c-t"]);
  });

  it("does not write a store full of live data again and again", async () => {
    const { database, look } = rig();
    database.liveBytes = 105 * MB;
    expect(await look(106 * MB)).not.toEqual([]);
    for (let bytes = 105 * MB; bytes < 113 * MB; bytes += MB) expect(await look(bytes)).toEqual([]);
    expect(await look(115 * MB)).not.toEqual([]);
  });

  it("looks again when something was dropped during a look, and compacts nothing on a disk that is failing", async () => {
    const { database, upkeep } = rig();
    database.failing = "no space left on device";
    database.bytes = 200 * MB;
    upkeep.look();
    database.failing = undefined;
    upkeep.look();
    upkeep.look();
    await upkeep.settled();
    expect(upkeep.compactions).toBe(1);
    database.failing = "no space left on device";
    database.bytes = 300 * MB;
    upkeep.look();
    await upkeep.settled();
    expect(upkeep.compactions).toBe(1);
  });

  it("opens the database anew when its notes about itself have grown large, and begins nothing after its end", async () => {
    const { database, upkeep, look } = rig();
    database.notesBytes = 9 * MB;
    expect(await look(50 * MB)).toEqual(["renew"]);
    expect(await look(50 * MB)).toEqual([]);
    await upkeep.stop();
    expect(await look(500 * MB)).toEqual([]);
  });
});

describe("upkeep of a real store", () => {
  it("ends the work on a database that somebody has removed, at the next write and with a reason", async () => {
    const path = await temporaryFolder();
    const observer = new EventNames();
    const store = await openStore(path, { observer });
    const look = async () => {
      store.upkeep.look();
      await store.upkeep.settled();
    };
    const definition = store.definitionOperation("some", "profile");
    await look();
    await store.commit({ summaries: [], records: [definition] });
    expect(observer.names).toEqual([]);
    await rm(join(path, "db"), { recursive: true });
    // Into files that nobody will find.
    await store.commit({ summaries: [], records: [definition] });
    await look();
    await look();
    expect(observer.names).toEqual(["store-gone"]);
    expect(store.failing).toBe("the database is gone");
    const gone = {
      code: "store-damaged",
      message: expect.stringContaining("the database is gone, there is nothing left in db"),
    };
    // Who has to read before he writes would wait for ever.
    await expect(store.readable()).rejects.toMatchObject(gone);
    await expect(store.commit({ summaries: [], records: [definition] })).rejects.toMatchObject(gone);
    await store.close();
    expect(await readdir(path)).not.toContain("db");
  });

  it("goes on where the database is back before the next write", async () => {
    const path = await temporaryFolder();
    const observer = new EventNames();
    const store = await openStore(path, { observer });
    await rename(join(path, "db"), join(path, "elsewhere"));
    store.upkeep.look();
    await store.upkeep.settled();
    await rename(join(path, "elsewhere"), join(path, "db"));
    await store.commit({ summaries: [], records: [store.definitionOperation("some", "profile")] });
    expect(observer.names).toEqual(["store-gone", "store-recovered"]);
    expect(store.failing).toBeUndefined();
    await store.close();
  });

  it("tells at each start of stores that were set aside, and how much room they take", async () => {
    const path = await temporaryFolder();
    const kept = join(path, "db.damaged-2026-01-14T120000000Z");
    await mkdir(kept);
    await writeFile(join(kept, "000005.ldb"), Buffer.alloc(12_345));
    const observer = new EventNames();
    const store = await openStore(path, { observer });
    expect(observer.names).toEqual(["store-set-aside-kept"]);
    expect(store.upkeep.usage).toMatchObject({ setAside: 1, setAsideBytes: 12_345 });
    await store.close();
  });

  it("loses and blocks nothing when the database is opened anew between two commits", async () => {
    const path = await temporaryFolder();
    const clock = new ManualClock();
    const database = await Database.open({ path, clock, timers: clock, observer: new EventNames() });
    const put = (key: string) => database.write([{ type: "put", key, value: Buffer.from(key) }]);
    const before = (await database.usage()).notesBytes;
    expect(before).toBeGreaterThan(0);
    await Promise.all([put("a"), database.renew(), put("b"), database.renew(), put("c")]);
    expect(await database.keys({ gte: "a" })).toEqual(["a", "b", "c"]);
    expect(database.failing).toBeUndefined();
    await database.close();
  });
});
