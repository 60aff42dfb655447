/** What damage.test.ts does in thousands, a few times with the agent as it runs: it starts, says so, and works. */
import { mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { AgentProcess } from "../helpers/agent-process.js";
import { tell } from "../helpers/campaign.js";
import { Load, LoadClient, type Message } from "../helpers/mqtt-load.js";
import { closing, expectAccounted, NUMBERED_PROFILE, numbered } from "../helpers/numbered-readings.js";
import { freePort } from "../helpers/tools.js";

const READINGS = 150;
/** In readings of 100 ms. */
const APART = 40_000;

/** Publishes readings from one number up to before another, and one that closes their windows; each time another client. */
async function publish(port: number, from: number, to: number): Promise<void> {
  const readings = Array.from({ length: to - from }, (_, i) => numbered("d", from + i));
  const messages = [...readings, closing("d", to)].map((payload) => ({ topic: "n/d", payload }));
  const load = new Load([{ port, clientId: `d${from}`, qos: 1, inflightMax: 10, messages }]);
  load.start();
  await load.finished();
}

function* endless(from: number): Generator<Message> {
  for (let i = from; ; i++) yield { topic: "n/d", payload: numbered("d", i, "x".repeat(200)) };
}

function idsOf(summaries: readonly string[]): ReadonlySet<string> {
  return new Set(summaries.map((line) => (JSON.parse(line) as Summary).id));
}

async function change(store: string, files: RegExp, how: (data: Buffer) => void): Promise<void> {
  const names = (await readdir(join(store, "db"))).filter((name) => files.test(name));
  for (const name of names) {
    const file = join(store, "db", name);
    const data = await readFile(file);
    if (data.length === 0) continue;
    how(data);
    await writeFile(file, data);
  }
}

async function removeFrom(store: string, files: RegExp): Promise<void> {
  const names = (await readdir(join(store, "db"))).filter((name) => files.test(name));
  for (const name of names) await rm(join(store, "db", name));
}

const flipMiddle = (data: Buffer) => data.writeUInt8(data[data.length >> 1]! ^ 4, data.length >> 1);

/** What is done to the store's folder, and whether it is set aside for it. Opening makes tables, so these come later. */
const DAMAGES: Readonly<Record<string, readonly [boolean, (store: string) => Promise<void>]>> = {
  "its reserve is cut": [false, (store) => truncate(join(store, "reserve"), 7)],
  "its socket is a folder": [
    false,
    async (store) => {
      await rm(join(store, "weir.sock"), { recursive: true, force: true });
      await mkdir(join(store, "weir.sock"));
    },
  ],
  "its tables are damaged": [true, (store) => change(store, /ldb$/, flipMiddle)],
  "its manifest is damaged": [true, (store) => change(store, /^MANIFEST/, flipMiddle)],
  "its write-ahead log is gone": [true, (store) => removeFrom(store, /\d\.log$/)],
  "its database is gone": [true, (store) => rm(join(store, "db"), { recursive: true })],
};

describe("an agent", () => {
  it("starts and works whatever was done to its store between two of its lives", async () => {
    const port = await freePort();
    const agent = await AgentProcess.prepare({
      config: `sources:\n  - { name: local, type: broker, listen: "127.0.0.1:${port}" }`,
      profiles: { numbered: NUMBERED_PROFILE },
    });
    const store = join(agent.folder, "store");
    await agent.start();
    await publish(port, 0, READINGS);
    await agent.end("SIGTERM");
    let aside = 0;
    for (const [i, [what, [setAside, damage]]] of Object.entries(DAMAGES).entries()) {
      await damage(store);
      await agent.start();
      expect(agent.events("store-set-aside"), what).toHaveLength(setAside ? 1 : 0);
      const kept = (await readdir(store)).filter((name) => name.startsWith("db."));
      aside += setAside ? 1 : 0;
      expect(kept, what).toHaveLength(aside);
      // A new gateway in all but name: hours after what came before.
      await publish(port, (i + 1) * APART, (i + 1) * APART + READINGS);
      if (agent.events("part-failed").length === 0) await expectInOrder(agent);
      await agent.end("SIGTERM");
      await rm(join(store, "weir.sock"), { recursive: true, force: true });
    }
    tell("damage", `${Object.keys(DAMAGES).length} damages to the store of a process, ${aside} set aside`);
  }, 180_000);

  it("ends, and says why, when its database is removed while it works, and tells of it at the next start", async () => {
    const port = await freePort();
    const agent = await AgentProcess.prepare({
      // As small as it may be: each checkpoint is followed by a look at the files.
      config: [
        "store: { path: store, journalBytesMax: 262144 }",
        `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}" }]`,
      ].join("\n"),
      profiles: { numbered: NUMBERED_PROFILE },
    });
    const store = join(agent.folder, "store");
    await agent.start();
    await publish(port, 0, READINGS);
    const before = idsOf(await agent.summaries());
    expect(before.size).toBeGreaterThan(0);
    await rm(join(store, "db"), { recursive: true });
    const device = new LoadClient({
      port,
      clientId: "endless",
      qos: 1,
      inflightMax: 50,
      messages: endless(READINGS),
    });
    device.start();
    expect(await agent.ended()).toMatchObject({ code: 1 });
    device.end();
    expect(agent.events("store-gone")).toHaveLength(1);
    expect(agent.events("agent-failed")).toMatchObject([
      { code: "store-damaged", error: expect.stringContaining("the database is gone") },
    ]);
    await agent.start();
    expect(agent.events("store-set-aside")).toMatchObject([
      { reason: expect.stringContaining("the database is gone") },
    ]);
    await publish(port, 0, READINGS);
    await expectInOrder(agent);
    const after = idsOf(await agent.summaries());
    expect([...after].filter((id) => before.has(id))).toEqual([]);
  }, 180_000);
});

async function expectInOrder(agent: AgentProcess): Promise<void> {
  expectAccounted((await agent.status()).byDevice);
  const summaries = (await agent.summaries()).map((line) => JSON.parse(line) as Summary);
  const revisions = summaries.map(({ id, revision }) => `${id} ${revision}`);
  expect(new Set(revisions).size).toBe(revisions.length);
  expect(summaries.some(({ final }) => final)).toBe(true);
}
