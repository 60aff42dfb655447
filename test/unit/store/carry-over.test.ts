import { cp, readdir, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openState } from "../../../src/agent/state.js";
import { parseConfig } from "../../../src/config/load.js";
import { WeirError } from "../../../src/model/errors.js";
import type { Summary } from "../../../src/model/summary.js";
import type { Disk, KeyValues } from "../../../src/store/disk.js";
import { KEYS } from "../../../src/store/keys.js";
import { LevelDisk } from "../../../src/store/level-disk.js";
import { Store } from "../../../src/store/store.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { Recorder } from "../../helpers/recorder.js";
import { temporaryFolder } from "../../helpers/tools.js";

const everything = { entriesMax: 1_000_000, bytesMax: 1e9 };
const ENTRIES = 3_000;
const json = (n: number) => JSON.stringify({ n, filler: `${n} `.repeat(200) });

/** Of a process that dies after so many batches, or just before it is done. */
class DyingDisk extends LevelDisk {
  readonly #batches: number;
  batched = 0;

  constructor(path: string, batches: number) {
    super(path);
    this.#batches = batches;
  }

  override async open(options: { readonly create: boolean }): Promise<KeyValues> {
    const db = await super.open(options);
    const batch = db.batch.bind(db);
    db.batch = async (operations) => {
      if (this.batched >= this.#batches) throw new WeirError("gone", "the process is gone");
      this.batched++;
      await batch(operations);
    };
    return db;
  }

  override async forgetLeftBehind(): Promise<void> {
    throw new WeirError("gone", "the process is gone");
  }
}

async function open(path: string, disk: Disk = new LevelDisk(path)) {
  const clock = new ManualClock();
  const observer = new Recorder();
  const world = { path, disk, clock, timers: clock, observer, logBytesMax: 1e9 };
  return { opening: Store.open(world), clock, observer };
}

/** A store with a log, of which some is sent, and with a manifest that cannot be read. */
async function damagedStore(more = async (_: Store) => {}): Promise<string> {
  const path = await temporaryFolder();
  const store = await (await open(path)).opening;
  for (let n = 1; n <= ENTRIES; n += 100) {
    const summaries = Array.from({ length: 100 }, (_, i) => json(n + i));
    await store.commit({ summaries, records: [] });
  }
  await store.save("cloud", { confirmed: 2_000, reserved: 2_500 });
  await store.save("archive", { confirmed: ENTRIES, reserved: ENTRIES });
  await more(store);
  await store.close();
  const manifest = (await readdir(join(path, "db"))).find((name) => name.startsWith("MANIFEST"))!;
  await truncate(join(path, "db", manifest), 10);
  return path;
}

async function expectCarriedOver(store: Store): Promise<void> {
  const entries = await store.log.read(0, everything);
  expect(entries.map(({ position }) => position)).toEqual(Array.from({ length: 1_000 }, (_, i) => 2_001 + i));
  for (const entry of entries) expect(entry.json).toBe(json(entry.position));
  expect(await store.load("cloud")).toEqual({ confirmed: 2_000, reserved: 2_500 });
  expect(await store.load("archive")).toEqual({ confirmed: ENTRIES, reserved: ENTRIES });
  await store.commit({ summaries: ["{}"], records: [] });
  expect(store.log.head()).toBe(ENTRIES + 1);
  expect(store.log.count()).toBe(1_001);
  await store.logChecked;
}

describe("a store after one that was set aside", () => {
  it("has what some target has not confirmed, at its old positions, and goes on behind", async () => {
    const path = await damagedStore();
    const { opening, observer, clock } = await open(path);
    const store = await opening;
    expect(observer.named("store-carried-over")).toMatchObject([
      { summaries: 1_000, damaged: 0, targets: 2 },
    ]);
    await expectCarriedOver(store);
    expect(store.losses).toHaveLength(1);
    expect(store.losses[0]!.throughMs).toBeGreaterThanOrEqual(clock.wallMs());
    await store.close();
    const again = await open(path);
    const same = await again.opening;
    expect(same.losses).toEqual(store.losses);
    expect(again.observer.events.map(({ name }) => name)).toEqual(["store-set-aside-kept"]);
    await same.close();
  });

  it("sends again as they are, and does not merge, the summaries of a target whose position is damaged", async () => {
    const path = await damagedStore(async (store) => {
      const garbage = { type: "put" as const, key: KEYS.cursor("cloud"), value: Buffer.alloc(9) };
      await store.commit({ summaries: [], records: [garbage] });
    });
    const store = await (await open(path)).opening;
    expect(await store.load("cloud")).toEqual({ confirmed: 0, reserved: ENTRIES });
    expect(await store.load("archive")).toEqual({ confirmed: ENTRIES, reserved: ENTRIES });
    expect(store.log.count()).toBe(ENTRIES);
    await store.close();
  });

  it("has the same when the process died at any batch of taking it over", async () => {
    const damaged = await damagedStore();
    let done = false;
    for (let batches = 0; !done; batches++) {
      const path = await temporaryFolder();
      await cp(damaged, path, { recursive: true });
      const disk = new DyingDisk(path, batches);
      await expect((await open(path, disk)).opening).rejects.toMatchObject({ code: "gone" });
      done = disk.batched < batches;
      const store = await (await open(path)).opening;
      await expectCarriedOver(store);
      expect(store.losses).toHaveLength(1);
      await store.close();
    }
  });

  it("tells that it was lost altogether, and through which time it may have sent, whatever start a crash ends", async () => {
    let done = false;
    for (let batches = 0; !done; batches++) {
      const path = await damagedStore();
      await rm(join(path, "db"), { recursive: true });
      const disk = new DyingDisk(path, batches);
      const dying = await open(path, disk);
      await expect(dying.opening).rejects.toMatchObject({ code: "gone" });
      expect(dying.observer.named("store-set-aside")).toMatchObject([
        { reason: expect.stringContaining("the database is gone") },
      ]);
      done = disk.batched < batches;
      const { opening, observer, clock } = await open(path);
      const store = await opening;
      expect(observer.named("store-set-aside")).toEqual([]);
      expect(observer.named("carry-over-failed")).toHaveLength(1);
      expect(store.losses).toHaveLength(1);
      expect(store.losses[0]!.throughMs).toBeGreaterThan(clock.wallMs());
      await store.close();
    }
  });

  it("tells nothing of a first start that a crash has ended at any batch, whose database is gone", async () => {
    const path = await temporaryFolder();
    const disk = new DyingDisk(path, 0);
    await expect((await open(path, disk)).opening).rejects.toMatchObject({ code: "gone" });
    await rm(join(path, "db"), { recursive: true });
    const { opening, observer } = await open(path);
    const store = await opening;
    expect(observer.events).toEqual([]);
    expect(store.losses).toEqual([]);
    await store.close();
  });

  it("knows through which time a device may have sent whose clock is ahead of all others", async () => {
    const path = await temporaryFolder();
    const { opening, clock } = await open(path);
    const store = await opening;
    const aheadMs = clock.wallMs() + 7 * 86_400_000;
    await store.commit({ summaries: [summaryOf("ahead", aheadMs), summaryOf("right", 0)], records: [] });
    // A device that there is no definition for: the state is damaged, and everything else is not.
    await store.commit({ summaries: [], records: [{ type: "put", key: "dp\0d", value: Buffer.alloc(9) }] });
    await store.close();
    const config = `gateway: { id: g }\nstore: { path: ${JSON.stringify(path)} }\nsources: [{ name: b, type: broker }]\n`;
    const observer = new Recorder();
    const world = { clock, timers: clock, random: () => 0.5, observer };
    const parsed = parseConfig(config, join(path, "weir.yaml"), { env: {} });
    const state = await openState(parsed.config!, world);
    expect(observer.named("store-set-aside")).toHaveLength(1);
    const [loss] = state.store.losses;
    expect(loss!.throughMs).toBeLessThan(clock.wallMs() + 600_000);
    expect([...loss!.ahead]).toEqual([["ahead", aheadMs]]);
    await state.store.close();
  });
});

/** As the engine gives it, with what merging needs. */
function summaryOf(device: string, endMs: number): Summary {
  return {
    id: device,
    revision: 0,
    final: true,
    gateway: "g",
    device,
    profile: "p@1",
    window: { name: "1m", kind: "tumbling" },
    fields: {},
    quality: { received: 0, accepted: 0 },
    mergeable: { series: device, startMs: endMs - 60_000, endMs, ladderMs: undefined, partials: {} },
  };
}
