/** Acknowledged is kept: a real agent with its embedded broker, killed again and again under the load of 20 devices. */
import { expect, it } from "vitest";
import { AgentProcess, replay } from "../helpers/agent-process.js";
import { startMosquitto } from "../helpers/mosquitto.js";
import { Load } from "../helpers/mqtt-load.js";
import {
  ARRIVAL_PROFILE,
  closing,
  expectAccounted,
  expectNumbered,
  isClosing,
  NUMBERED_PROFILE,
  numbered,
  READINGS_MAX,
} from "../helpers/numbered-readings.js";
import { moment, type Seeded, seeded } from "../helpers/seeded.js";
import { describeWithTools, freePort, until } from "../helpers/tools.js";
import { bodies, Summaries, subscribeUpstream } from "../helpers/upstream.js";

/** For a slow machine with other work to do. */
const TIMEOUT_MS = 180_000;

const DEVICES = Array.from({ length: 20 }, (_, i) => `dev-${i}`);
const NOTE = "a note that makes the payload as long as payloads are in the field, and the journal too";

function config(port: number, target: string): string {
  return [
    // Small enough for a few checkpoints in between.
    "store: { path: store, journalBytesMax: 262144 }",
    "commit: { maxDelay: 20ms }",
    "sources:",
    `  - { name: local, type: broker, listen: "127.0.0.1:${port}" }`,
    "targets:",
    target,
  ].join("\n");
}

/** Kills and restarts: during start-up or recovery, or some milliseconds after some more acknowledgements. */
async function killAgain(on: {
  readonly agent: AgentProcess;
  readonly load: Load;
  readonly random: Seeded;
  readonly kills: number;
}): Promise<void> {
  const { agent, load, random } = on;
  for (let kill = 0; kill < on.kills; kill++) {
    if (random.below(5) === 0) await moment(random.below(350));
    else {
      await load.progress(1 + random.below(350));
      await moment(random.below(25));
    }
    await agent.kill();
    agent.spawn();
  }
  await agent.logged("agent-started");
}

describeWithTools(["mosquitto"], "what the embedded broker has acknowledged", () => {
  it("is in the summaries, once, and upstream has what an uninterrupted run gives", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("kills of the agent");
    const port = await freePort();
    const upstream = await startMosquitto();
    const received = await subscribeUpstream(upstream.url);
    const target = `  - { name: cloud, type: mqtt, url: "${upstream.url}" }`;
    const agent = await AgentProcess.prepare({
      config: config(port, target),
      profiles: { numbered: NUMBERED_PROFILE },
    });
    const plans = DEVICES.map((device) => {
      const readings = Array.from({ length: READINGS_MAX }, (_, i) => numbered(device, i, `${NOTE} ${i}`));
      // Some come later than the watermark trails, some twice, some are not JSON.
      const sent = readings.flatMap((payload, i) => [
        payload,
        ...(i % 10 === 3 ? [readings[Math.max(0, i - 35)]!] : []),
        ...(i % 50 === 7 ? ["{not JSON"] : []),
      ]);
      return { device, sent: [...random.disordered(sent, 70), closing(device, READINGS_MAX)] };
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
    agent.spawn();
    load.start();
    await killAgain({ agent, load, random, kills: 20 });
    await load.finished();
    const expected = await replay(
      NUMBERED_PROFILE,
      plans.flatMap(({ sent }) => sent),
    );
    const wanted = expected.summaries.filter((summary) => !isClosing(summary, READINGS_MAX));
    await until(() => received.finals >= wanted.length, { what: "the final summaries are upstream" });
    expect(received.contradictions).toEqual([]);
    expect(bodies(received.latest())).toEqual(bodies(wanted));
    for (const name of ["5s", "20s"]) {
      const one = received.latest().filter(({ window }) => window.name === name);
      expectNumbered(one, DEVICES, READINGS_MAX);
    }
    // The log holds each revision once, and the first arrivals upstream are in its order.
    const log = await agent.summaries();
    expect(received.first).toEqual(log);
    await expectCounts(agent, load, plans);
  });

  it("counts once although nothing in it tells a repetition, at QoS 1 and 2", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("kills of the agent, arrival time");
    const port = await freePort();
    const agent = await AgentProcess.prepare({
      config: config(port, "  []"),
      profiles: { arriving: ARRIVAL_PROFILE },
    });
    const load = new Load(
      DEVICES.map((device, i) => ({
        port,
        clientId: device,
        messages: Array.from({ length: READINGS_MAX }, (_, n) => ({
          topic: `a/${device}`,
          payload: numbered(device, n),
        })),
        qos: i % 2 === 0 ? (1 as const) : (2 as const),
        inflightMax: 8,
      })),
    );
    agent.spawn();
    load.start();
    await killAgain({ agent, load, random, kills: 8 });
    await load.finished();
    const { byDevice } = await agent.status();
    expectAccounted(byDevice);
    const expected = DEVICES.map((device) => ({ device, accepted: READINGS_MAX }));
    expect(byDevice.map(({ device, accepted }) => ({ device, accepted }))).toEqual(
      expect.arrayContaining(expected),
    );
    const received = new Summaries();
    await until(
      async () => {
        for (const line of (await agent.summaries()).slice(received.lines.length)) received.add(line);
        const counted = received.latest().reduce((sum, { quality }) => sum + quality.accepted, 0);
        return counted >= DEVICES.length * READINGS_MAX;
      },
      { what: "silence has closed every window" },
    );
    expectNumbered(received.latest(), DEVICES, READINGS_MAX);
  });
});

async function expectCounts(
  agent: AgentProcess,
  load: Load,
  plans: readonly { readonly device: string; readonly sent: readonly string[] }[],
): Promise<void> {
  const { byDevice } = await agent.status();
  expectAccounted(byDevice);
  expect(byDevice.length).toBe(plans.length);
  for (const [i, { device, sent }] of plans.entries()) {
    const counts = byDevice.find((each) => each.device === device)!;
    expect(counts.accepted).toBe(new Set(sent).size - 1);
    expect(counts.received).toBeGreaterThanOrEqual(sent.length);
    expect(counts.received).toBeLessThanOrEqual(sent.length + load.clients[i]!.repeated);
  }
}
