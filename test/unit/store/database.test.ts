import { describe, expect, it } from "vitest";
import { Database } from "../../../src/store/database.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { EventNames } from "../../helpers/store.js";
import { temporaryFolder } from "../../helpers/tools.js";

const COUNT = 1_700;
const KEYS = Array.from({ length: COUNT }, (_, i) => `j${String(i).padStart(5, "0")}`);

/** A real one, with more entries than are read at once, and others around them. */
async function filled(): Promise<Database> {
  const clock = new ManualClock();
  const observer = new EventNames();
  const database = await Database.open({ path: await temporaryFolder(), clock, timers: clock, observer });
  const value = new Uint8Array(100);
  await database.write(["i", ...KEYS, "k", "l"].map((key) => ({ type: "put", key, value })));
  return database;
}

describe("the entries of a database that is closed and opened again", () => {
  it("are all of them, each once and in order, wherever that comes", async () => {
    for (const at of [0, 1, 499, 500, 501, COUNT - 1]) {
      const database = await filled();
      const keys: string[] = [];
      for await (const [key] of database.entries({ gte: "j", lt: "k" })) {
        if (keys.length === at) await database.renew();
        keys.push(key);
      }
      expect(keys).toEqual(KEYS);
      await database.close();
    }
  });

  it("are those that are there then behind the last one", async () => {
    const database = await filled();
    const keys: string[] = [];
    for await (const [key] of database.entries({ gt: "j00099", lt: "k" })) {
      keys.push(key);
      if (keys.length !== 1) continue;
      await database.write([
        { type: "del", key: KEYS.at(-1)! },
        { type: "put", key: "jj", value: new Uint8Array(1) },
      ]);
      await database.renew();
    }
    expect(keys).toEqual([...KEYS.slice(100, -1), "jj"]);
    await database.close();
  });

  it("cannot be read while it is closed: whoever asks is told to try again", async () => {
    const database = await filled();
    const entries = database.entries({ gte: "j", lt: "k" });
    await entries.next();
    await database.close();
    const rest = async () => {
      for await (const _ of entries);
    };
    await expect(rest()).rejects.toMatchObject({ code: "store-read-failed", retryable: true });
  });
});
