/**
 * What the store expects of a disk, run against LevelDB and against the simulator's disk: a simulation is worth
 * nothing on a disk that is kinder, or less kind, than the real one.
 */
import { expect, it } from "vitest";
import type { Disk, KeyValues, Operation } from "../../src/store/disk.js";

export interface DiskHarness {
  /** The disk as a new process sees it; of the same folder each time. */
  mount(): Disk;
}

const put = (key: string, text = key): Operation => ({ type: "put", key, value: Buffer.from(text) });
const del = (key: string): Operation => ({ type: "del", key });

async function all(db: KeyValues): Promise<string[]> {
  const iterator = db.iterate({});
  const found: string[] = [];
  for (;;) {
    const some = await iterator.next(2);
    if (some.length === 0) break;
    for (const [key, value] of some) found.push(`${key}=${Buffer.from(value).toString()}`);
  }
  await iterator.close();
  return found;
}

export function diskContract(open: () => Promise<DiskHarness>): void {
  it("has what was written, in key order, after it was closed and opened by another process", async () => {
    const harness = await open();
    const first = await harness.mount().open({ create: true });
    await first.batch([put("b"), put("a"), put("c")]);
    await first.batch([put("b", "again"), del("c"), del("never there")]);
    await first.close();
    const second = await harness.mount().open({ create: true });
    expect(await all(second)).toEqual(["a=a", "b=again"]);
    await second.close();
  });

  it("applies the operations of a batch in their order", async () => {
    const db = await (await open()).mount().open({ create: true });
    await db.batch([put("k", "1"), del("k"), put("k", "2"), put("l"), del("l")]);
    expect(await all(db)).toEqual(["k=2"]);
    await db.close();
  });

  it("answers ranges with both bounds, limits and the other direction", async () => {
    const db = await (await open()).mount().open({ create: true });
    await db.batch(["a", "b", "c", "d", "e"].map((key) => put(key)));
    expect(await db.keys({ gt: "a", lt: "d" })).toEqual(["b", "c"]);
    expect(await db.keys({ gte: "b", limit: 2 })).toEqual(["b", "c"]);
    expect(await db.keys({ lt: "d", reverse: true, limit: 1 })).toEqual(["c"]);
    expect(await db.keys({ gt: "aa", lt: "c" })).toEqual(["b"]);
    expect(await db.keys({ gte: "x" })).toEqual([]);
    expect(await db.get("nothing")).toBeUndefined();
    await db.close();
  });

  it("reads a range as it was at the first look, whatever is written meanwhile", async () => {
    const db = await (await open()).mount().open({ create: true });
    await db.batch(["a", "b", "c"].map((key) => put(key)));
    const iterator = db.iterate({});
    const first = await iterator.next(1);
    await db.batch([del("b"), put("bb"), put("c", "changed")]);
    const rest = await iterator.next(10);
    await iterator.close();
    const entries = [...first, ...rest].map(([key, value]) => `${key}=${Buffer.from(value).toString()}`);
    expect(entries).toEqual(["a=a", "b=b", "c=c"]);
    await db.close();
  });

  it("is locked while another has it open", async () => {
    const harness = await open();
    const db = await harness.mount().open({ create: true });
    await expect(harness.mount().open({ create: true })).rejects.toMatchObject({ fault: "locked" });
    await db.close();
    await (await harness.mount().open({ create: true })).close();
  });

  it("fails, and does not hang, when it is used after it was closed", async () => {
    const db = await (await open()).mount().open({ create: true });
    await db.close();
    await expect(db.batch([put("a")])).rejects.toMatchObject({ name: "DiskError", fault: "failed" });
    await expect(db.get("a")).rejects.toMatchObject({ name: "DiskError", fault: "failed" });
    await expect(db.keys({})).rejects.toMatchObject({ name: "DiskError", fault: "failed" });
    await expect(db.iterate({}).next(1)).rejects.toMatchObject({ name: "DiskError", fault: "failed" });
  });

  it("begins anew when the old one was set aside, and keeps that", async () => {
    const harness = await open();
    const disk = harness.mount();
    const db = await disk.open({ create: true });
    await db.batch([put("a")]);
    await db.close();
    expect(await disk.leftBehind()).toBeUndefined();
    expect(await disk.setAside("damaged-1")).toMatch(/damaged-1$/);
    const fresh = await disk.open({ create: true });
    expect(await all(fresh)).toEqual([]);
    expect(await disk.losses()).toEqual([]);
    await fresh.batch([put("b")]);
    await fresh.close();
    const later = harness.mount();
    expect(await later.leftBehind()).toBeDefined();
    const old = await later.openLeftBehind();
    expect(await all(old)).toEqual(["a=a"]);
    await old.close();
    await later.forgetLeftBehind();
    expect(await harness.mount().leftBehind()).toBeUndefined();
    const again = await later.open({ create: true });
    expect(await all(again)).toEqual(["b=b"]);
    await again.close();
  });
}
