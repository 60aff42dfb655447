/** How the agent begins and ends: with half of its world missing, beside another one, and under load. */
import { execFileSync } from "node:child_process";
import { mkdir, open, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { AgentProcess } from "../helpers/agent-process.js";
import { startMosquitto } from "../helpers/mosquitto.js";
import { Load } from "../helpers/mqtt-load.js";
import {
  closing,
  expectAccounted,
  expectNumbered,
  NUMBERED_PROFILE,
  numbered,
  READINGS_MAX,
} from "../helpers/numbered-readings.js";
import { describeWithTools, freePort, until } from "../helpers/tools.js";
import { subscribeUpstream } from "../helpers/upstream.js";

const DEVICES = Array.from({ length: 20 }, (_, i) => `dev-${i}`);

function brokerConfig(port: number): string {
  return `sources:\n  - { name: local, type: broker, listen: "127.0.0.1:${port}" }`;
}

describe("the agent", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "ends within five seconds at %s under load, with exit code 0, and loses nothing",
    async (signal) => {
      const port = await freePort();
      const agent = await AgentProcess.prepare({
        config: brokerConfig(port),
        profiles: { numbered: NUMBERED_PROFILE },
      });
      const load = new Load(
        DEVICES.map((device) => {
          const readings = Array.from({ length: READINGS_MAX }, (_, i) => numbered(device, i));
          const messages = [...readings, closing(device, READINGS_MAX)].map((payload) => ({
            topic: `n/${device}`,
            payload,
          }));
          return { port, clientId: device, qos: 1 as const, inflightMax: 5, messages };
        }),
      );
      await agent.start();
      load.start();
      await load.progress(1_500);
      const acknowledged = load.acknowledged;
      const ended = await agent.end(signal);
      expect(ended).toMatchObject({ code: 0, signal: null });
      expect(ended.elapsedMs).toBeLessThan(5_000);
      expect(agent.events("agent-stopped")).toMatchObject([{ reason: signal }]);
      expect(load.done).toBe(false);
      await agent.start();
      // It was checkpointed: nothing has to be replayed.
      expect(agent.events("state-recovered")).toMatchObject([{ blocks: 0, devices: DEVICES.length }]);
      expect((await agent.status()).received).toBeGreaterThanOrEqual(acknowledged);
      await load.finished();
      const summaries = (await agent.summaries()).map((line) => JSON.parse(line) as Summary);
      const finals = summaries.filter(({ final, window }) => final && window.name === "20s");
      expectNumbered(finals, DEVICES, READINGS_MAX);
      const { byDevice } = await agent.status();
      expectAccounted(byDevice);
      expect(new Set(byDevice.map(({ accepted }) => accepted))).toEqual(new Set([READINGS_MAX + 1]));
    },
  );

  it("begins although upstream, serial port, broker upstream and a profile are missing or broken", async () => {
    const [port, nobody] = [await freePort(), await freePort()];
    const agent = await AgentProcess.prepare({
      config: [
        brokerConfig(port),
        `  - { name: plant, type: mqtt, url: "mqtt://127.0.0.1:${nobody}" }`,
        "  - { name: meter, type: serial, port: /dev/weir-does-not-exist, profile: numbered }",
        "targets:",
        `  - { name: cloud, type: mqtt, url: "mqtt://127.0.0.1:${nobody}" }`,
        "  - { name: archive, type: file, path: archive.jsonl }",
      ].join("\n"),
      profiles: { numbered: NUMBERED_PROFILE, broken: "schema: device-profile/1\nid: broken\n" },
    });
    await agent.start();
    const messages = [numbered("d", 0), closing("d", 1)].map((payload) => ({ topic: "n/d", payload }));
    const load = new Load([{ port, clientId: "d", qos: 1, inflightMax: 1, messages }]);
    load.start();
    await load.finished();
    const cloud = async () => (await agent.status()).targets.find(({ target }) => target === "cloud")!;
    await until(async () => (await agent.lines("archive.jsonl").catch(() => [])).length === 2, {
      what: "the target that works has both windows",
    });
    expect(await cloud()).toMatchObject({ lagEntries: 2, upstream: { state: "waiting" } });
    expect((await agent.status()).sources).toMatchObject([
      { name: "local", state: "listening" },
      { name: "plant", state: "waiting" },
      { name: "meter", state: "waiting" },
    ]);
    expect(JSON.stringify(agent.events("file-problem"))).toContain("broken.yaml:");
    expect(await agent.end("SIGTERM")).toMatchObject({ code: 0 });
  });

  it("does not begin beside another one on the same store, and leaves that one alone", async () => {
    const port = await freePort();
    const files = { config: brokerConfig(port), profiles: { numbered: NUMBERED_PROFILE } };
    const first = await AgentProcess.prepare(files);
    await first.start();
    const second = await AgentProcess.prepare({
      ...files,
      config: `${brokerConfig(await freePort())}\nstore: { path: ${join(first.folder, "store")} }`,
    });
    second.spawn();
    expect(await second.ended()).toMatchObject({ code: 1 });
    expect(second.tail()).toMatch(/store-locked|is in use by another process/);
    expect(second.tail()).toContain("another agent may be running");
    expect((await first.status()).sources).toMatchObject([{ state: "listening" }]);
    const load = new Load([
      {
        port,
        clientId: "d",
        qos: 1,
        inflightMax: 1,
        messages: [{ topic: "n/d", payload: numbered("d", 0) }],
      },
    ]);
    load.start();
    await load.finished();
  });

  it("does not begin with a wrong config, and says where it is wrong", async () => {
    const agent = await AgentProcess.prepare({ config: "sources: []\ntarget: []" });
    agent.spawn();
    expect(await agent.ended()).toMatchObject({ code: 2 });
    expect(agent.tail()).toMatch(/weir\.yaml:\d+:\d+ /);
  });

  it("does not begin without a profile, from a file or from the store: it would keep no reading", async () => {
    const agent = await AgentProcess.prepare({ config: brokerConfig(await freePort()) });
    agent.spawn();
    expect(await agent.ended()).toMatchObject({ code: 2 });
    expect(agent.tail()).toMatch(/weir\.yaml:\d+:\d+ no-profiles /);
    expect(agent.tail()).toContain("there is no device profile to begin with");
  });

  it.each(["SIGHUP", "SIGTERM"] as const)(
    "heeds %s that comes while it starts, when it has",
    async (signal) => {
      const agent = await AgentProcess.prepare({ config: brokerConfig(await freePort()) });
      const path = join(agent.folder, "profiles", "numbered.yaml");
      execFileSync("mkfifo", [path]);
      agent.spawn();
      // Opens when the agent begins to read, and the agent waits for what is written.
      const pipe = await open(path, "w");
      agent.signal(signal);
      await writeFile(`${path}.next`, NUMBERED_PROFILE);
      await rename(`${path}.next`, path);
      await pipe.write(NUMBERED_PROFILE);
      await pipe.close();
      if (signal === "SIGHUP") await agent.logged("reloaded");
      const ended = signal === "SIGHUP" ? await agent.end("SIGTERM") : await agent.ended();
      expect(ended).toMatchObject({ code: 0, signal: null });
      const told = agent.log.map(({ event }) => event).filter((event) => /^(agent|reload)/.test(event));
      const reloaded = signal === "SIGHUP" ? ["reloaded"] : [];
      expect(told).toEqual(["agent-started", ...reloaded, "agent-stopped"]);
    },
  );

  it("sets a store aside whose records are damaged, and begins a new one", async () => {
    const agent = await AgentProcess.prepare({
      config: brokerConfig(await freePort()),
      profiles: { numbered: NUMBERED_PROFILE },
    });
    await mkdir(join(agent.folder, "store", "db"), { recursive: true });
    await agent.write("store/db/CURRENT", "MANIFEST-000001\n");
    await agent.start();
    expect(agent.events("store-set-aside").length).toBe(1);
    expect((await agent.status()).received).toBe(0);
  });
});

describeWithTools(["mosquitto"], "the agent, with brokers that hang", () => {
  it("ends within five seconds all the same, and forwards what is left when it is back", async () => {
    const port = await freePort();
    const [field, upstream] = [await startMosquitto(), await startMosquitto()];
    const received = await subscribeUpstream(upstream.url);
    const agent = await AgentProcess.prepare({
      config: [
        "commit: { maxDelay: 5ms }",
        brokerConfig(port),
        `  - { name: plant, type: mqtt, url: "${field.url}" }`,
        "targets:",
        `  - { name: cloud, type: mqtt, url: "${upstream.url}" }`,
      ].join("\n"),
      profiles: { numbered: NUMBERED_PROFILE },
    });
    await agent.start();
    await agent.logged("mqtt-connected", 2);
    field.freeze();
    upstream.freeze();
    const messages = [numbered("d", 0), closing("d", 1)].map((payload) => ({ topic: "n/d", payload }));
    const load = new Load([{ port, clientId: "d", qos: 1, inflightMax: 1, messages }]);
    load.start();
    await load.finished();
    await until(async () => (await agent.status()).targets[0]!.state === "delivering", {
      what: "a delivery is under way",
    });
    const ended = await agent.end("SIGTERM");
    expect(ended).toMatchObject({ code: 0, signal: null });
    expect(ended.elapsedMs).toBeLessThan(5_000);
    field.thaw();
    upstream.thaw();
    await agent.start();
    await until(() => received.first.length === 2, { what: "both windows are upstream" });
    expect(received.contradictions).toEqual([]);
  });
});
