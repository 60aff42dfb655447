/** The upstream is away under load, the agent is stopped and killed meanwhile, and nothing is missing afterwards. */
import { expect, it } from "vitest";
import { AgentProcess, replay } from "../helpers/agent-process.js";
import { startMosquitto } from "../helpers/mosquitto.js";
import { Load } from "../helpers/mqtt-load.js";
import {
  closing,
  expectAccounted,
  expectNumbered,
  isClosing,
  NUMBERED_PROFILE,
  numbered,
  READINGS_MAX,
} from "../helpers/numbered-readings.js";
import { seeded } from "../helpers/seeded.js";
import { describeWithTools, freePort, until } from "../helpers/tools.js";
import { bodies, subscribeUpstream } from "../helpers/upstream.js";

/** For a slow machine with other work to do. */
const TIMEOUT_MS = 180_000;

const DEVICES = Array.from({ length: 20 }, (_, i) => `dev-${i}`);
/** What an orderly end may take. */
const STOP_MS_MAX = 5_000;

describeWithTools(["mosquitto"], "an upstream that was away", () => {
  it("gets everything, in order, though the agent was stopped and killed meanwhile", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("order of the readings");
    const port = await freePort();
    const upstream = await startMosquitto({ persistent: true });
    const received = await subscribeUpstream(upstream.url);
    const agent = await AgentProcess.prepare({
      config: [
        "commit: { maxDelay: 20ms }",
        "sources:",
        `  - { name: local, type: broker, listen: "127.0.0.1:${port}" }`,
        "targets:",
        `  - { name: cloud, type: mqtt, url: "${upstream.url}" }`,
        // Another one that has nothing to do with the first one's trouble.
        "  - { name: archive, type: file, path: archive.jsonl }",
      ].join("\n"),
      profiles: { numbered: NUMBERED_PROFILE },
    });
    const plans = DEVICES.map((device) => {
      const readings = Array.from({ length: READINGS_MAX }, (_, i) => numbered(device, i));
      return { device, sent: [...random.disordered(readings, 70), closing(device, READINGS_MAX)] };
    });
    const load = new Load(
      plans.map(({ device, sent }) => ({
        port,
        clientId: device,
        messages: sent.map((payload) => ({ topic: `n/${device}`, payload })),
        qos: 1 as const,
        inflightMax: 4,
      })),
    );
    await agent.start();
    load.start();
    await until(() => received.lines.length > 20, { what: "summaries go upstream" });

    await upstream.stop();
    await agent.logged("mqtt-disconnected");
    await load.progress(1_000);
    const stopped = await agent.end("SIGTERM");
    expect(stopped).toMatchObject({ code: 0, signal: null });
    expect(stopped.elapsedMs).toBeLessThan(STOP_MS_MAX);
    await agent.start();
    await load.progress(1_000);
    await agent.kill();
    await agent.start();
    await load.finished();
    const lag = (await agent.status()).targets.find(({ target }) => target === "cloud")!;
    expect(lag.lagEntries).toBeGreaterThan(0);
    await until(async () => lagOf(await agent.status(), "archive") === 0, {
      what: "the archive has everything",
    });

    await upstream.start();
    await until(async () => lagOf(await agent.status(), "cloud") === 0, {
      what: "the upstream has everything",
    });
    const log = await agent.summaries();
    await until(() => received.first.length >= log.length, { what: "the subscriber has everything" });
    expect(received.contradictions).toEqual([]);
    expect(received.first).toEqual(log);
    const expected = await replay(
      NUMBERED_PROFILE,
      plans.flatMap(({ sent }) => sent),
    );
    const wanted = expected.summaries.filter((summary) => !isClosing(summary, READINGS_MAX));
    expect(bodies(received.latest())).toEqual(bodies(wanted));
    expectNumbered(
      received.latest().filter(({ window }) => window.name === "5s"),
      DEVICES,
      READINGS_MAX,
    );
    // A batch whose confirmation the kill cut off comes again.
    expect([...new Set(await agent.lines("archive.jsonl"))]).toEqual(log);
    const { byDevice } = await agent.status();
    expectAccounted(byDevice);
    expect(new Set(byDevice.map(({ accepted }) => accepted))).toEqual(new Set([READINGS_MAX + 1]));
  });
});

function lagOf(status: Awaited<ReturnType<AgentProcess["status"]>>, target: string): number | undefined {
  return status.targets.find((each) => each.target === target)?.lagEntries;
}
