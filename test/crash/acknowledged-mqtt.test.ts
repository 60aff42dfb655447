/**
 * Acknowledged is kept, with somebody else's broker: an agent that reads from a real Mosquitto is killed again and
 * again; what it had acknowledged there is gone from Mosquitto's queue, so it must be in the store.
 */
import { expect, it } from "vitest";
import { AgentProcess, replay } from "../helpers/agent-process.js";
import { type DeafProxy, startDeafProxy } from "../helpers/deaf-proxy.js";
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
import { moment, seeded } from "../helpers/seeded.js";
import { describeWithTools, until } from "../helpers/tools.js";
import { bodies, Summaries, subscribeUpstream } from "../helpers/upstream.js";

/** For a slow machine with other work to do. */
const TIMEOUT_MS = 180_000;

const KILLS = 10;
const FLOOD = 20_000;
const PUBACK = 0x40;
const TIMED = Array.from({ length: 10 }, (_, i) => `timed-${i}`);
const ARRIVING = Array.from({ length: 10 }, (_, i) => `arriving-${i}`);
const ALL = READINGS_MAX * (TIMED.length + ARRIVING.length);

describeWithTools(["mosquitto"], "what the mqtt source has acknowledged", () => {
  it("is in the summaries, once, and upstream has what an uninterrupted run gives", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("kills of an agent that reads from Mosquitto");
    const [field, upstream] = [await startMosquitto(), await startMosquitto()];
    const cable = await startDeafProxy(field.port);
    const received = await subscribeUpstream(upstream.url);
    const agent = await AgentProcess.prepare({
      config: [
        "commit: { maxDelay: 20ms }",
        "sources:",
        // So few at a time that the load outlasts the kills.
        `  - { name: plant, type: mqtt, url: "${cable.url}", inflightMax: 16 }`,
        "targets:",
        `  - { name: cloud, type: mqtt, url: "${upstream.url}" }`,
      ].join("\n"),
      profiles: { numbered: NUMBERED_PROFILE, arriving: ARRIVAL_PROFILE },
    });
    // The first connection makes the session that the broker queues for.
    await agent.start();
    await until(() => /SUBACK/.test(field.log()), { what: "the agent has subscribed" });
    const plans = TIMED.map((device) => {
      const readings = Array.from({ length: READINGS_MAX }, (_, i) => numbered(device, i));
      return { device, sent: [...random.disordered(readings, 70), closing(device, READINGS_MAX)] };
    });
    const load = new Load([
      ...plans.map(({ device, sent }) => client(field.port, device, "n", sent)),
      ...ARRIVING.map((device) => {
        const sent = Array.from({ length: READINGS_MAX }, (_, i) => numbered(device, i));
        return client(field.port, device, "a", sent);
      }),
    ]);
    load.start();
    for (let kill = 0; kill < KILLS; kill++) {
      await agent.logged("mqtt-connected", 2);
      expect((await agent.status()).accepted, "there is load at every kill").toBeLessThan(ALL);
      if (kill % 2 === 0) await acknowledging(cable, 1 + random.below(10));
      else await moment(random.below(200));
      await agent.kill();
      agent.spawn();
    }
    await agent.logged("agent-started");
    await load.finished();

    const expected = await replay(
      NUMBERED_PROFILE,
      plans.flatMap(({ sent }) => sent),
    );
    const wanted = expected.summaries.filter((summary) => !isClosing(summary, READINGS_MAX));
    const timed = () => received.latest().filter(({ device }) => device.startsWith("timed"));
    await until(() => timed().filter(({ final }) => final).length >= wanted.length, {
      what: "the final summaries are upstream",
    });
    expect(received.contradictions).toEqual([]);
    expect(bodies(timed())).toEqual(bodies(wanted));
    const log = new Summaries();
    await until(
      async () => {
        for (const line of (await agent.summaries()).slice(log.lines.length)) log.add(line);
        return acceptedIn(log, "arriving") >= READINGS_MAX * ARRIVING.length;
      },
      { what: "silence has closed the windows of arrival time" },
    );
    const arriving = log.latest().filter(({ device }) => device.startsWith("arriving"));
    expectNumbered(arriving, ARRIVING, READINGS_MAX);
    const { byDevice, received: total } = await agent.status();
    expectAccounted(byDevice);
    expect(total).toBeGreaterThanOrEqual(ALL + TIMED.length);
    for (const { device, accepted } of byDevice) {
      expect({ device, accepted }).toEqual({
        device,
        accepted: READINGS_MAX + (device.startsWith("timed") ? 1 : 0),
      });
    }
  });

  it("counts once although the broker sends without a window and has read no acknowledgement", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const field = await startMosquitto();
    const cable = await startDeafProxy(field.port);
    const agent = await AgentProcess.prepare({
      config: `sources:\n  - { name: plant, type: mqtt, url: "${cable.url}" }`,
      profiles: { arriving: ARRIVAL_PROFILE },
    });
    await agent.start();
    await until(() => /SUBACK/.test(field.log()), { what: "the agent has subscribed" });
    await agent.kill();
    const payloads = Array.from({ length: FLOOD }, (_, i) => `{"b0":${i}}`);
    const load = new Load([client(field.port, "flood", "a", payloads)]);
    load.start();
    await load.finished();
    cable.deaf = true;
    await agent.start();
    await until(async () => (await agent.status()).accepted === FLOOD, { what: "the flood is taken in" });
    await agent.kill();
    cable.deaf = false;
    await agent.start();
    const log = new Summaries();
    await until(
      async () => {
        for (const line of (await agent.summaries()).slice(log.lines.length)) log.add(line);
        return total(log, "count") >= FLOOD;
      },
      { what: "silence has closed the windows" },
    );
    expect([total(log, "count"), total(log, "sum")]).toEqual([FLOOD, (FLOOD * (FLOOD - 1)) / 2]);
    const { accepted, received, rejected } = await agent.status();
    expect({ accepted, received }).toEqual({ accepted: FLOOD, received: FLOOD + rejected.duplicate! });
    // All but the commit that the kill may have cut off.
    expect(rejected.duplicate).toBeGreaterThan(FLOOD / 2);
  });
});

/** Resolves when so many groups of acknowledgements have come through the cable, at once with the last of them. */
function acknowledging(cable: DeafProxy, groups: number): Promise<void> {
  let left = groups;
  return new Promise((resolve) => {
    cable.heard = (bytes) => {
      if (bytes[0] === PUBACK && --left === 0) resolve();
    };
  });
}

function acceptedIn(summaries: Summaries, kind: string): number {
  const some = summaries.latest().filter(({ device }) => device.startsWith(kind));
  return some.reduce((sum, { quality }) => sum + quality.accepted, 0);
}

function total(summaries: Summaries, name: "count" | "sum"): number {
  return summaries.latest().reduce((sum, { fields }) => sum + (fields.b0![name] as number), 0);
}

function client(port: number, device: string, prefix: string, payloads: readonly string[]) {
  const messages = payloads.map((payload) => ({ topic: `${prefix}/${device}`, payload }));
  return { port, clientId: device, messages, qos: 1 as const, inflightMax: 50 };
}
