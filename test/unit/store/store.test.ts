import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ByteWriter } from "../../../src/model/bytes.js";
import { Database } from "../../../src/store/database.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { EventNames, openStore } from "../../helpers/store.js";

const everything = { entriesMax: 1_000_000, bytesMax: 1e9 };

function databaseIn(path: string, observer = new EventNames()) {
  const clock = new ManualClock();
  return { path, clock, timers: clock, observer };
}

describe("the store", () => {
  let path: string;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), "weir-test-"));
  });
  afterEach(() => rm(path, { recursive: true, force: true }));

  it("has journal, summaries and cursors again after it was closed", async () => {
    const store = await openStore(path);
    const block = { sequence: 1, processingMs: 5, clockTrusted: true, tick: false, groups: [] };
    await store.commit({ block, summaries: ['{"a":1}', '{"b":2}'], records: [] });
    await store.save("cloud", { confirmed: 1, reserved: 5 });
    await store.close();
    const again = await openStore(path);
    const blocks = [];
    for await (const b of again.journal()) blocks.push(b);
    expect(blocks).toEqual([block]);
    expect(again.log.head()).toBe(2);
    expect(again.log.tail()).toBe(1);
    expect((await again.log.read(1, everything)).map((e) => e.json)).toEqual(['{"b":2}']);
    expect(await again.load("cloud")).toEqual({ confirmed: 1, reserved: 5 });
    expect(await again.load("other")).toBeUndefined();
    await again.close();
  });

  it("takes any number of records in one commit: all devices may have changed at an end", async () => {
    const store = await openStore(path);
    const value = new Uint8Array(8);
    const records = Array.from(
      { length: 200_000 },
      (_, i) => ({ type: "put", key: `x${i}`, value }) as const,
    );
    await store.commit({ summaries: ['{"a":1}'], records });
    expect(store.log.head()).toBe(1);
    await store.close();
  });

  it("does not work through a journal of years that is not there any more", async () => {
    const first = await openStore(path);
    const block = { sequence: 50_000_000, processingMs: 5, clockTrusted: true, tick: false, groups: [] };
    await first.commit({ block, summaries: [], records: [], dropJournalThrough: 50_000_000 });
    await first.close();
    const store = await openStore(path);
    await store.commit({ summaries: [], records: [], dropJournalThrough: 50_000_000 });
    const next = { ...block, sequence: 50_000_001 };
    await store.commit({ block: next, summaries: [], records: [] });
    const blocks = [];
    for await (const b of store.journal()) blocks.push(b);
    expect(blocks).toEqual([next]);
    await store.commit({ summaries: [], records: [], dropJournalThrough: 50_000_001 });
    for await (const b of store.journal()) throw new Error(`block ${b.sequence} is left`);
    await store.close();
  });

  it("lets only one process in, and says who may be there", async () => {
    const store = await openStore(path);
    await expect(openStore(path)).rejects.toMatchObject({ code: "store-locked" });
    await store.close();
  });

  it.each(["CURRENT", "MANIFEST"])(
    "sets a database with a damaged %s aside, and takes over into a new one what was not sent yet",
    async (name) => {
      const store = await openStore(path);
      await store.commit({ summaries: ["{}"], records: [] });
      await store.close();
      const files = await readdir(join(path, "db"));
      const file = files.find((f) => f.startsWith(name))!;
      await truncate(join(path, "db", file), 3);
      const events = new EventNames();
      const again = await openStore(path, { observer: events });
      expect(events.names).toContain("store-set-aside");
      expect(events.names).toContain("store-carried-over");
      expect((await again.log.read(0, everything)).map(({ json }) => json)).toEqual(["{}"]);
      await again.commit({ summaries: ["{}"], records: [] });
      expect(again.log.head()).toBe(2);
      await again.close();
      expect((await readdir(path)).some((f) => f.startsWith("db.damaged-"))).toBe(true);
    },
  );

  /** Fills a store, and damages its write-ahead log from a share of its length on. */
  async function damagedFrom(share: number): Promise<void> {
    const store = await openStore(path);
    for (let i = 0; i < 50; i++)
      await store.commit({ summaries: [`{"n":${i},"x":"${"y".repeat(2_000)}"}`], records: [] });
    await store.close();
    await damageLog(share);
  }

  async function damageLog(share: number): Promise<void> {
    const log = (await readdir(join(path, "db"))).find((f) => f.endsWith(".log"))!;
    const file = join(path, "db", log);
    const bytes = await readFile(file);
    const from = Math.floor(bytes.length * share);
    bytes.fill(0xff, from, from + 16);
    await writeFile(file, bytes);
  }

  it("says that a file is where its folder should be", async () => {
    const file = join(path, "a-file");
    await writeFile(file, "");
    for (const taken of [file, join(file, "store")]) {
      await expect(openStore(taken)).rejects.toMatchObject({
        code: "store-unavailable",
        hint: expect.stringContaining("a file is where its folder should be"),
      });
    }
  });

  it("sets itself aside when its log is damaged in front of what was written later", async () => {
    await damagedFrom(0.5);
    await expect(Database.inspect(databaseIn(path))).rejects.toMatchObject({
      code: "store-unavailable",
      message: expect.stringMatching(/\.log is damaged at byte \d+$/),
      hint: expect.stringContaining("at its next start"),
    });
    const events = new EventNames();
    const again = await openStore(path, { observer: events });
    expect(events.names).toEqual(expect.arrayContaining(["store-set-aside", "store-carried-over"]));
    expect((await again.log.read(0, everything)).length).toBeLessThan(50);
    await again.close();
  });

  it("acknowledges nothing more when its log turns out to be damaged as it is opened again in mid-life", async () => {
    const database = await Database.open(databaseIn(path));
    const value = Buffer.alloc(2_000, 1);
    for (let i = 0; i < 50; i++) await database.write([{ type: "put", key: `k${i}`, value }]);
    await damageLog(0.5);
    await database.renew();
    await expect(database.write([{ type: "put", key: "next", value }])).rejects.toMatchObject({
      code: "store-damaged",
      message: expect.stringContaining(".log is damaged at byte"),
    });
    await database.close();
  });

  it("says that readings may be lost when the newest of it is damaged, also to who only looks at it", async () => {
    await damagedFrom(0.99);
    for (const look of ["inspect", "open"] as const) {
      const copy = `${path}-${look}`;
      await cp(path, copy, { recursive: true });
      const events = new EventNames();
      await (await Database[look](databaseIn(copy, events))).close();
      expect(events.names, look).toEqual(["store-loss"]);
      await rm(copy, { recursive: true });
    }
  });

  it("says nothing of the kind after a good end", async () => {
    await (await openStore(path)).close();
    const events = new EventNames();
    await (await openStore(path, { observer: events })).close();
    expect(events.names).toEqual([]);
  });

  it("does not touch a store of a newer format", async () => {
    const store = await openStore(path);
    await store.close();
    const { Level } = await import("level");
    const db = new Level<string, Uint8Array>(join(path, "db"), { valueEncoding: "view" });
    const writer = new ByteWriter();
    writer.varint(99);
    await db.put("mformat", writer.seal(1, "mformat"));
    await db.close();
    await expect(openStore(path)).rejects.toMatchObject({ code: "store-too-new" });
    expect((await readdir(path)).some((f) => f.startsWith("db.damaged-"))).toBe(false);
  });

  it("drops the oldest confirmed summaries when the log is full, and reports unconfirmed ones as loss", async () => {
    const events = new EventNames();
    const store = await openStore(path, { logBytesMax: 20_000, observer: events });
    const summary = JSON.stringify({ filler: "x".repeat(900) });
    for (let i = 0; i < 30; i++) await store.commit({ summaries: [summary], records: [] });
    await store.save("cloud", { confirmed: 30, reserved: 30 });
    await store.trimLog(() => ["cloud"]);
    expect(store.log.bytes).toBeLessThanOrEqual(20_000);
    expect(store.log.tail()).toBeGreaterThan(1);
    expect(events.names).not.toContain("log-unsent-dropped");
    for (let i = 0; i < 30; i++) await store.commit({ summaries: [summary], records: [] });
    await store.trimLog(() => ["cloud"]);
    expect(events.names).toContain("log-unsent-dropped");
    const kept = await store.log.read(0, everything);
    expect(kept[0]!.position).toBe(store.log.tail());
    expect(kept.at(-1)!.position).toBe(60);
    expect(store.log.dropped).toBe(store.log.tail() - 1 - 30);
    await store.close();
    const again = await openStore(path, { logBytesMax: 20_000 });
    expect([again.log.head(), again.log.tail(), again.log.dropped]).toEqual([
      60,
      store.log.tail(),
      store.log.dropped,
    ]);
    expect(again.log.bytes).toBe(store.log.bytes);
    await again.close();
  });

  it("passes over a summary whose bytes have changed and says so", async () => {
    const store = await openStore(path);
    await store.commit({ summaries: ['{"n":1}', '{"n":2}'], records: [] });
    await store.close();
    const { Level } = await import("level");
    const db = new Level<string, Uint8Array>(join(path, "db"), { valueEncoding: "view" });
    const [key] = await db.keys({ gte: "l", lt: "m" }).all();
    const value = (await db.get(key!))!.slice();
    value[7]! ^= 1;
    await db.put(key!, value);
    await db.close();
    const events = new EventNames();
    const again = await openStore(path, { observer: events });
    expect((await again.log.read(0, everything)).map((e) => e.json)).toEqual(['{"n":2}']);
    expect(events.names).toContain("log-entry-damaged");
    await again.close();
  });

  it("starts although a stray file lies in its folder", async () => {
    await writeFile(join(path, "notes.txt"), "by hand");
    const store = await openStore(path);
    await store.close();
  });
});
