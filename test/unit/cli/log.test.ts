import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { dispatch } from "../../../src/cli/dispatch.js";
import { command } from "../../../src/cli/log.js";
import { localApiPath, startLocalApi } from "../../../src/dashboard/api.js";
import { Store } from "../../../src/store/store.js";
import { systemClock, systemTimers } from "../../../src/system/clock.js";
import { testIo } from "../../helpers/cli.js";
import { MemoryLog, summaryJson } from "../../helpers/memory-log.js";
import { temporaryFolder, until } from "../../helpers/tools.js";

const observer = { emit: () => undefined };

const reference = (name: string): string => `\${${name}}`;

/** A gateway whose config needs things that only the service has. */
async function gateway() {
  const folder = await temporaryFolder();
  const config = join(folder, "weir.yaml");
  const password = reference("ONLY_THE_SERVICE_HAS_IT");
  const targets = `[{ name: cloud, type: mqtt, url: "mqtts://x", password: "${password}" }]`;
  writeFileSync(config, `gateway: { id: gw-7 }\nstore: { path: store }\ntargets: ${targets}\n`);
  const { io, written } = testIo();
  const log = (...args: readonly string[]) =>
    dispatch(["log", "-c", config, ...args], io, [
      { name: "log", summary: "", load: () => Promise.resolve(command) },
    ]);
  return { folder, config, store: join(folder, "store"), log, written };
}

async function fill(path: string, summaries: readonly string[]): Promise<void> {
  const store = await Store.open({
    path,
    clock: systemClock,
    timers: systemTimers,
    observer,
    logBytesMax: 10_000_000,
  });
  await store.commit({ summaries, records: [] });
  await store.close();
}

const SUMMARIES = [summaryJson(0, "a"), summaryJson(1, "b"), summaryJson(2, "a")];

describe("weir log of a stopped agent", () => {
  it("reads the store, without the secrets that the config refers to", async () => {
    const { store, log, written } = await gateway();
    await fill(store, SUMMARIES);
    expect(await log()).toBe(0);
    expect(written).toEqual({ stdout: SUMMARIES.map((json) => `${json}\n`).join(""), stderr: "" });
  });

  it("filters, and says that there is nothing to follow", async () => {
    const { store, log, written } = await gateway();
    await fill(store, SUMMARIES);
    expect(await log("--device", "a", "--since", "2026-01-14T12:01:00Z", "--follow")).toBe(0);
    expect(written.stdout).toBe(`${SUMMARIES[2]}\n`);
    expect(written.stderr).toContain("no agent is running");
  });

  it("leaves nothing behind where there is no store", async () => {
    const { folder, log, written } = await gateway();
    expect(await log()).toBe(1);
    expect(written.stderr).toContain("there is no store in");
    expect(readdirSync(folder)).toEqual(["weir.yaml"]);
  });

  it("does not set a damaged store aside: that is for the agent to do", async () => {
    const { store, log } = await gateway();
    await fill(store, SUMMARIES);
    const before = readdirSync(store);
    writeFileSync(join(store, "db", "CURRENT"), "nonsense");
    expect(await log()).toBe(1);
    expect(readdirSync(store)).toEqual(before);
  });

  it("calls a wrong config and a wrong time wrong usage", async () => {
    const { folder, config, log, written } = await gateway();
    expect(await log("--since", "yesterday")).toBe(2);
    writeFileSync(config, "store: { pathh: x }\n");
    expect(await log()).toBe(2);
    expect(written.stderr).toContain(`${config}:1:10 unknown-key`);
    writeFileSync(config, `store: { path: "${reference("NOT_SET_HERE")}/x" }\n`);
    expect(await log()).toBe(2);
    expect(written.stderr).toContain("missing-variable");
    expect(await log("-c", join(folder, "none.yaml"))).toBe(2);
    expect(existsSync(join(folder, "store"))).toBe(false);
  });
});

describe("weir log of a running agent", () => {
  it("asks it, with the filters, and never opens the store", async () => {
    const { store, log, written } = await gateway();
    await fill(store, [summaryJson(9, "only-in-the-store")]);
    const memory = new MemoryLog();
    memory.append(...SUMMARIES);
    const api = await startLocalApi({ path: localApiPath(store), log: memory, status: () => ({}), observer });
    onTestFinished(() => api.close());
    expect(await log("-d", "b")).toBe(0);
    expect(written).toEqual({ stdout: `${SUMMARIES[1]}\n`, stderr: "" });
  });

  it("follows until the agent stops", async () => {
    const { store, log, written } = await gateway();
    await fill(store, []);
    const memory = new MemoryLog();
    const api = await startLocalApi({ path: localApiPath(store), log: memory, status: () => ({}), observer });
    const following = log("--follow");
    await until(() => memory.listening() > 0, { what: "somebody follows" });
    memory.append(SUMMARIES[0]!);
    await until(() => written.stdout === `${SUMMARIES[0]}\n`, { what: "the summary is printed" });
    await api.close();
    expect(await following).toBe(0);
    expect(written.stderr).toContain("the agent has stopped");
  });
});
