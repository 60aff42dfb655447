/**
 * Acknowledged is kept, and counted once, with somebody else's broker, even when it has read none of the
 * acknowledgements and sends everything again; test/torture/kills.test.ts kills a reading agent at any other moment.
 */
import { expect, it } from "vitest";
import { AgentProcess } from "../helpers/agent-process.js";
import { startDeafProxy } from "../helpers/deaf-proxy.js";
import { startMosquitto } from "../helpers/mosquitto.js";
import { Load } from "../helpers/mqtt-load.js";
import { ARRIVAL_PROFILE } from "../helpers/numbered-readings.js";
import { describeWithTools, until } from "../helpers/tools.js";
import { Summaries } from "../helpers/upstream.js";

/** For a slow machine with other work to do. */
const TIMEOUT_MS = 180_000;

const FLOOD = 20_000;

describeWithTools(["mosquitto"], "what the mqtt source has acknowledged", () => {
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

function total(summaries: Summaries, name: "count" | "sum"): number {
  return summaries.latest().reduce((sum, { fields }) => sum + (fields.b0![name] as number), 0);
}

function client(port: number, device: string, prefix: string, payloads: readonly string[]) {
  const messages = payloads.map((payload) => ({ topic: `${prefix}/${device}`, payload }));
  return { port, clientId: device, messages, qos: 1 as const, inflightMax: 50 };
}
