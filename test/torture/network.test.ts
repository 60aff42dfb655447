/**
 * Networks that fail: a real agent between two real Mosquittos, reading from the one and sending to the other over
 * cables that reset, swallow, repeat and delay packets, and with brokers that are away, come back and forget. What
 * the agent has read is in its window once, what it has concluded is upstream in order, and nobody has to help it.
 */
import { expect, it } from "vitest";
import { AgentProcess } from "../helpers/agent-process.js";
import { LONG, rounds, tell } from "../helpers/campaign.js";
import { type ChaosProxy, startChaosProxy, type Verdict } from "../helpers/chaos-proxy.js";
import { FLEET_PROFILES } from "../helpers/endless-device.js";
import { Fleet } from "../helpers/fleet.js";
import { startMosquitto } from "../helpers/mosquitto.js";
import { moment, seeded } from "../helpers/seeded.js";
import { describeWithTools, until } from "../helpers/tools.js";
import { type Summaries, subscribeUpstream } from "../helpers/upstream.js";

const TIMEOUT_MS = LONG ? 900_000 : 240_000;
/** For a busy machine, and reconnections with backoff. */
const PATIENCE_MS = 120_000;
/** Packets of an exchange in each direction at which it is cut. */
const CUT_PACKETS = rounds(5, 14);
/** Connections of one cable that are cut, one after the other. */
const CUTS_EACH = rounds(2, 4);
/** Messages of each device between looks. */
const SOME = 2;

/** A cable of the agent's that is cut at a certain packet of its first connections. */
interface CutCable {
  readonly cable: ChaosProxy;
  readonly name: string;
  cuts: number;
}

describeWithTools(["mosquitto"], "an agent in a network that fails", () => {
  it("gets over a reset at every packet of the exchange, in both directions, from its source and to its target", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("resets at every packet");
    const [field, upstream] = [await startMosquitto(), await startMosquitto()];
    const sources = await cutCables("source", field.port);
    const targets = await cutCables("target", upstream.port);
    const counts = { timed: 4, arriving: 4, short: sources.length - 8 };
    const fleet = new Fleet({ port: field.port, random, firstMax: 0, counts });
    // Each cable to the field is that of one device, so each carries a part and all of them together everything.
    const topics = fleet.topics;
    const agent = await AgentProcess.prepare({
      config: [
        "commit: { maxDelay: 20ms }",
        "sources:",
        ...sources.map(
          ({ cable, name }, i) =>
            `  - { name: ${name}, type: mqtt, url: "${cable.url}", topics: ["${topics[i]}"], keepalive: 5s }`,
        ),
        "targets:",
        ...targets.map(
          ({ cable, name }) =>
            `  - { name: ${name}, type: mqtt, url: "${cable.url}", topic: "${name}/{gateway}/{site}/d/{device}/{window}", keepalive: 5s }`,
        ),
      ].join("\n"),
      profiles: FLEET_PROFILES,
    });
    const received: Summaries[] = [];
    for (const { name } of targets) received.push(await subscribeUpstream(upstream.url, name));
    await agent.start();
    // What is published before the first subscription is nobody's.
    await until(
      () => sources.every(({ name }) => field.log().includes(`Sending SUBACK to weir-gw-in-${name}\n`)),
      {
        what: "every source has subscribed",
        timeoutMs: PATIENCE_MS,
      },
    );
    fleet.load.start();
    const all = [...sources, ...targets];
    await keepSending(fleet, () => all.every(({ cuts }) => cuts === CUTS_EACH), {
      what: () =>
        `each cable has been cut ${CUTS_EACH} times: ${all.map(({ name, cuts }) => `${name} ${cuts}`)}`,
    });
    await finish(fleet, agent);
    for (const each of received) await fleet.expectKept(agent, each);
    expect(agent.events("forward-set-aside"), "summaries that were given up").toEqual([]);
    const cuts = all.reduce((sum, each) => sum + each.cuts, 0);
    const figures = `${cuts} resets on ${all.length} cables; ${fleet.readings} readings, 0 lost, 0 doubled`;
    tell("network, reset at every packet", `${figures}; ${received[0]!.first.length} summaries in order`);
  });
});

/** Two cables for each place in the exchange: one cut on the way up, one on the way down. */
async function cutCables(kind: string, port: number): Promise<CutCable[]> {
  const cables: CutCable[] = [];
  for (const way of ["up", "down"] as const) {
    for (let index = 0; index < CUT_PACKETS; index++) {
      const cable = await startChaosProxy(port);
      const cut: CutCable = { cable, name: `${kind}-${way}-${index}`, cuts: 0 };
      cable.judge = (packet): Verdict => {
        if (packet.way !== way || packet.index !== index || cut.cuts >= CUTS_EACH) return "pass";
        cut.cuts++;
        return cut.cuts % 2 === 1 ? "reset" : "half";
      };
      cables.push(cut);
    }
  }
  return cables;
}

interface Goal {
  readonly what: () => string;
}

/** Lets the devices go on, a few messages at a time, until something is reached. */
async function keepSending(
  fleet: Fleet,
  reached: () => boolean | Promise<boolean>,
  { what }: Goal,
): Promise<void> {
  const startMs = performance.now();
  while (!(await reached())) {
    if (performance.now() - startMs > PATIENCE_MS) throw new Error(`in vain until ${what()}`);
    fleet.load.allow(SOME);
    await moment(50);
  }
}

/** Every device comes to its end, and the agent has read it all. */
async function finish(fleet: Fleet, agent: AgentProcess): Promise<void> {
  await fleet.finish();
  await fleet.taken(agent, PATIENCE_MS);
}
