import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { describe, expect, it } from "vitest";
import { openState } from "../../../src/agent/state.js";
import { parseConfig } from "../../../src/config/load.js";
import { encodeDefinition } from "../../../src/pipeline/recovery.js";
import { loadProfile, loadStoredProfile } from "../../../src/profile/load.js";
import { encodeBlock } from "../../../src/store/journal-codec.js";
import { KEYS } from "../../../src/store/keys.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { EventNames, openStore } from "../../helpers/store.js";

async function start(path: string) {
  const text = `gateway: { id: g }\nstore: { path: ${JSON.stringify(path)} }\nsources: [{ name: b, type: broker }]\n`;
  const { config } = parseConfig(text, join(path, "weir.yaml"), { env: {} });
  const clock = new ManualClock();
  const observer = new EventNames();
  const state = await openState(config!, { clock, timers: clock, random: () => 0.5, observer });
  return { state, names: observer.names };
}

/** A store whose journal fills a table, and in which nothing is wrong. */
async function fill(path: string): Promise<void> {
  await (await openStore(path)).close();
  const db = new Level<string, Uint8Array>(join(path, "db"), { valueEncoding: "view" });
  for (let sequence = 1; sequence <= 5_000; sequence++) {
    const block = { sequence, processingMs: sequence * 7_919, clockTrusted: true, tick: false, groups: [] };
    await db.put(KEYS.journal(sequence), encodeBlock(block, { state: 0, logHead: 0 }));
  }
  await db.close();
  // Opening writes what the log holds into a table.
  await (await openStore(path)).close();
}

describe("the state of an agent", () => {
  it("comes back whole where nothing is wrong", async () => {
    const path = await mkdtemp(join(tmpdir(), "weir-test-"));
    try {
      await fill(path);
      const { state, names } = await start(path);
      expect(names).toEqual(["state-recovered"]);
      expect(state.engine.sequence).toBe(5_000);
      await state.store.close();
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });

  it("is set aside, and a new one begun, when a block of a table is damaged", async () => {
    const path = await mkdtemp(join(tmpdir(), "weir-test-"));
    try {
      await fill(path);
      for (const name of await readdir(join(path, "db"))) {
        if (!name.endsWith(".ldb")) continue;
        const file = join(path, "db", name);
        const bytes = await readFile(file);
        if (bytes.length > 2_000) bytes.fill(0xff, 1_000, 1_016);
        await writeFile(file, bytes);
      }
      const { state, names } = await start(path);
      expect(names).toContain("store-set-aside");
      expect(state.engine.deviceCount).toBe(0);
      await state.store.close();
      expect((await readdir(path)).some((name) => name.startsWith("db.damaged-"))).toBe(true);
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });

  it("is set aside when a device's record is not one", async () => {
    const path = await mkdtemp(join(tmpdir(), "weir-test-"));
    try {
      await fill(path);
      const store = await openStore(path);
      const value = new TextEncoder().encode("no device record");
      await store.commit({ summaries: [], records: [{ type: "put", key: KEYS.device("p", "d"), value }] });
      await store.close();
      const { state, names } = await start(path);
      expect(names.filter((name) => name === "store-set-aside")).toHaveLength(1);
      await state.store.close();
      const again = await start(path);
      expect(again.names).not.toContain("store-set-aside");
      await again.state.store.close();
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });

  it("comes back with a profile in force that would be refused in a file", async () => {
    const path = await mkdtemp(join(tmpdir(), "weir-test-"));
    try {
      const source = [
        "schema: device-profile/1",
        "id: t",
        "version: 1.0.0",
        "decode: { format: json }",
        "fields: { x: { from: /x } }",
        "windows: [{ name: 1d, hopping: { size: 1d, slide: 1s }, fields: { x: [count] } }]",
      ].join("\n");
      const options = { file: "t", zone: "UTC" };
      expect(loadProfile(source, options).profile).toBeUndefined();
      const profile = loadStoredProfile(source, options);
      const store = await openStore(path);
      const records = [store.definitionOperation(profile!.hash, encodeDefinition(profile!))];
      await store.commit({ summaries: [], records });
      await store.close();
      const { state, names } = await start(path);
      expect(names).toEqual(["state-recovered"]);
      expect([...state.kept.keys()]).toEqual(["t"]);
      await state.store.close();
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });

  it("is set aside when an earlier process came upon a damaged record while it ran", async () => {
    const path = await mkdtemp(join(tmpdir(), "weir-test-"));
    try {
      await fill(path);
      const store = await openStore(path);
      await store.condemn("a slice is missing");
      await store.close();
      const { state, names } = await start(path);
      expect(names).toContain("store-set-aside");
      await state.store.close();
      const again = await start(path);
      expect(again.names).not.toContain("store-set-aside");
      await again.state.store.close();
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  });
});
