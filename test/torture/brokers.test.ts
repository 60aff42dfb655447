/**
 * Brokers on both sides of a real agent that restart and remember, restart and forget, and cables to them that repeat,
 * delay and swallow packets, and bring those of an old connection after those of the new one.
 */
import { expect, it } from "vitest";
import { AckLedger } from "../helpers/ack-ledger.js";
import { AgentProcess } from "../helpers/agent-process.js";
import { LONG, rounds, tell } from "../helpers/campaign.js";
import { type ChaosProxy, startChaosProxy } from "../helpers/chaos-proxy.js";
import { FLEET_PROFILES, type Kind } from "../helpers/endless-device.js";
import { Fleet } from "../helpers/fleet.js";
import { type Mosquitto, startMosquitto } from "../helpers/mosquitto.js";
import { expectAccounted, FIRST_MS, STEP_MS } from "../helpers/numbered-readings.js";
import { moment, type Seeded, seeded } from "../helpers/seeded.js";
import { describeWithTools, until } from "../helpers/tools.js";
import { Summaries, subscribeUpstream } from "../helpers/upstream.js";

const TIMEOUT_MS = LONG ? 900_000 : 240_000;
/** For a busy machine. */
const PATIENCE_MS = 120_000;
const RESTARTS = rounds(4, 30);
/** Messages of each device in between. */
const SOME = 40;
const LINK = "keepalive: 1s, connectTimeout: 2s, reconnectMax: 100ms";
const DEVICES: Readonly<Partial<Record<Kind, number>>> = { timed: 6, arriving: 4 };
/** Nothing but its event time tells that a publisher has sent a reading again. */
const TIMED: Readonly<Partial<Record<Kind, number>>> = { timed: 10 };
const SLOW_MS = 150;
/** Longer than it takes to be back. */
const LATE_MS = 400;

describeWithTools(["mosquitto"], "an agent between two brokers", () => {
  it("has every reading once and its log upstream when both restart and remember their sessions", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("restarts with sessions");
    const scene = await Scene.prepare({ random, persistent: true, counts: DEVICES });
    const { agent, fleet, field, upstream } = scene;
    const received = await subscribeUpstream(upstream.url);
    // What the broker has let go of is waiting for a commit, or on the wire, at every restart.
    scene.source.delayMs = 5;
    for (let restart = 0; restart < RESTARTS; restart++) {
      fleet.load.allow(SOME);
      // A publisher that has to repeat itself makes a new message of it for whoever is behind the broker.
      await until(() => fleet.load.settled, { what: "the broker has it all", timeoutMs: PATIENCE_MS });
      await moment(random.below(60));
      const broker = restart % 2 === 0 ? field : upstream;
      await broker.stop();
      await broker.start();
      await scene.back();
    }
    await scene.finish();
    await fleet.expectKept(agent, received);
    const { duplicate = 0 } = (await agent.status()).rejected;
    tell(
      "network, brokers restarted with their sessions",
      `${RESTARTS} restarts; ${fleet.readings} readings (${duplicate} came again), 0 lost, 0 doubled`,
    );
  });

  it("subscribes again, and has all that it has acknowledged, when they are killed and have forgotten everything", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("restarts without sessions");
    const scene = await Scene.prepare({ random, persistent: false, counts: TIMED });
    const { agent, fleet, field, upstream } = scene;
    const acknowledged = new Set<string>();
    const source = new AckLedger("down", (payload) => acknowledged.add(payload));
    const confirmed = new Summaries();
    const target = new AckLedger("up", (payload) => {
      if (payload.startsWith('{"id"')) confirmed.add(payload);
    });
    scene.source.passed = (packet) => source.passed(packet);
    scene.target.passed = (packet) => target.passed(packet);
    for (let restart = 0; restart < RESTARTS; restart++) {
      const before = acknowledged.size;
      fleet.load.allow(SOME);
      await until(() => acknowledged.size > before, { what: "readings come in" });
      await moment(random.below(30));
      const broker = restart % 2 === 0 ? field : upstream;
      await broker.kill();
      await broker.start();
      await scene.back();
      await scene.subscribed(1 + Math.ceil((restart + 1) / 2));
    }
    await fleet.finish();
    const closings = () => [...acknowledged].filter((payload) => /"b0":1}$/.test(payload)).length;
    await until(async () => closings() >= 10 && confirmed.first.length >= (await agent.summaries()).length, {
      what: "the last readings are in, and what comes of them is confirmed",
      timeoutMs: PATIENCE_MS,
    });
    expect(confirmed.contradictions).toEqual([]);
    expect(confirmed.gaps()).toEqual([]);
    expect(confirmed.first).toEqual(await agent.summaries());
    const { lost, doubled, misplaced } = fleet.account(confirmed);
    expect([doubled, misplaced]).toEqual([[], []]);
    const kept = new Set([...acknowledged].flatMap(readingsIn));
    // The others are what the broker had acknowledged to the devices and forgot.
    expect(lost.filter((line) => kept.has(line.replace(/ \d+s #/, " ").replace(/:.*/, "")))).toEqual([]);
    const { byDevice, accepted } = await agent.status();
    expectAccounted(byDevice);
    expect(accepted).toBeGreaterThanOrEqual(kept.size);
    expect(accepted).toBeLessThanOrEqual(new Set([...source.delivered].flatMap(readingsIn)).size);
    const forgotten = lost.filter((line) => line.includes(" 5s ")).length;
    tell(
      "network, brokers killed without their sessions",
      `${RESTARTS} kills; ${kept.size} readings acknowledged, ${forgotten} lost by the broker, 0 by the agent; ${confirmed.first.length} summaries`,
    );
  });

  it("is not confused by publishes that come twice, late, behind a new connection, or not at all", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("bad cables");
    const scene = await Scene.prepare({ random, persistent: false, counts: DEVICES });
    const { agent, fleet, upstream } = scene;
    const received = await subscribeUpstream(upstream.url);
    const cables = [scene.source, scene.target];
    const noticedMs: number[] = [];
    for (let round = 0; round < rounds(1, 6); round++) {
      for (const cable of cables) cable.judge = ({ bytes }) => (isPublish(bytes) ? "repeat" : "pass");
      await scene.progress(received);
      for (const cable of cables) cable.judge = () => "pass";

      for (const cable of cables) cable.delayMs = SLOW_MS;
      await scene.progress(received);

      await scene.throwOutByOldConnect(scene.source, scene.field);
      await scene.throwOutByOldConnect(scene.target, upstream);
      await scene.progress(received);

      const connections = cables.map((cable) => cable.connections);
      const startMs = performance.now();
      for (const [i, cable] of cables.entries())
        cable.judge = ({ connection }) => (connection < connections[i]! ? "swallow" : "pass");
      fleet.load.allow(SOME);
      await until(() => cables.every((cable, i) => cable.connections > connections[i]!), {
        what: "both half-open connections are given up",
        timeoutMs: PATIENCE_MS,
      });
      noticedMs.push(Math.round(performance.now() - startMs));
      await scene.progress(received);
    }
    await scene.finish();
    await fleet.expectKept(agent, received);
    expect(agent.events("forward-set-aside"), "summaries that were given up").toEqual([]);
    const repeated = received.lines.length - received.first.length;
    expect(repeated, "summaries that came twice").toBeGreaterThan(0);
    const { duplicate = 0 } = (await agent.status()).rejected;
    tell(
      "network, bad cables",
      `${duplicate} readings and ${repeated} summaries came again, half-open noticed after ${Math.max(...noticedMs)} ms; ${fleet.readings} readings, 0 lost, 0 doubled`,
    );
  });
});

interface SceneOptions {
  readonly random: Seeded;
  readonly persistent: boolean;
  readonly counts: Readonly<Partial<Record<Kind, number>>>;
}

interface SceneParts {
  readonly agent: AgentProcess;
  readonly fleet: Fleet;
  readonly field: Mosquitto;
  readonly upstream: Mosquitto;
  readonly source: ChaosProxy;
  readonly target: ChaosProxy;
}

class Scene {
  readonly agent: AgentProcess;
  readonly fleet: Fleet;
  readonly field: Mosquitto;
  readonly upstream: Mosquitto;
  /** Cables to them. */
  readonly source: ChaosProxy;
  readonly target: ChaosProxy;

  private constructor(parts: SceneParts) {
    this.agent = parts.agent;
    this.fleet = parts.fleet;
    this.field = parts.field;
    this.upstream = parts.upstream;
    this.source = parts.source;
    this.target = parts.target;
  }

  /** Everything runs; the devices have not sent anything. */
  static async prepare({ random, persistent, counts }: SceneOptions): Promise<Scene> {
    const [field, upstream] = [await startMosquitto({ persistent }), await startMosquitto({ persistent })];
    const [source, target] = [await startChaosProxy(field.port), await startChaosProxy(upstream.port)];
    const agent = await AgentProcess.prepare({
      config: [
        "commit: { maxDelay: 20ms }",
        `sources: [{ name: plant, type: mqtt, url: "${source.url}", inflightMax: 64, ${LINK} }]`,
        `targets: [{ name: cloud, type: mqtt, url: "${target.url}", ${LINK} }]`,
      ].join("\n"),
      profiles: FLEET_PROFILES,
    });
    await agent.start();
    const fleet = new Fleet({ port: field.port, random, firstMax: 0, counts });
    const scene = new Scene({ agent, fleet, field, upstream, source, target });
    await scene.subscribed(1);
    await scene.back();
    fleet.load.start();
    return scene;
  }

  /** Waits until the broker has taken so many subscriptions of the agent, over all its lives. */
  async subscribed(times: number): Promise<void> {
    await until(() => this.field.log().split("Sending SUBACK to weir-").length > times, {
      what: `the agent has subscribed ${times} times`,
      timeoutMs: PATIENCE_MS,
    });
  }

  /** Waits until the agent is connected to both. */
  async back(): Promise<void> {
    const connected = async () => {
      const { sources, targets } = await this.agent.status();
      return [sources[0]!.state, targets[0]!.upstream.state].every((state) => state === "connected");
    };
    await until(connected, { what: "the agent is connected to both", timeoutMs: PATIENCE_MS });
  }

  /** Messages go in, and summaries of them come out upstream. */
  async progress(received: Summaries): Promise<void> {
    const [accepted, summaries] = [(await this.agent.status()).accepted, received.first.length];
    await until(
      async () => {
        this.fleet.load.allow(2);
        await moment(20);
        return (await this.agent.status()).accepted > accepted + 100 && received.first.length > summaries;
      },
      { what: "readings come in and summaries go out", timeoutMs: PATIENCE_MS },
    );
  }

  /** The CONNECT of a connection that is gone arrives after that of the next one, and throws it out. */
  async throwOutByOldConnect(cable: ChaosProxy, broker: Mosquitto): Promise<void> {
    const thrownOut = () => broker.log().split("already connected, closing old connection").length;
    const [before, connections] = [thrownOut(), cable.connections];
    cable.delayMs = LATE_MS;
    cable.cut();
    await until(() => cable.connections > connections, { what: "the agent connects, slowly" });
    // Its CONNECT follows at once.
    await moment(LATE_MS / 8);
    cable.delayMs = 0;
    cable.cutClients();
    await until(() => thrownOut() > before, { what: "an old CONNECT has thrown out the new connection" });
  }

  /** Every device comes to its end, and the agent has read it all. */
  async finish(): Promise<void> {
    await this.fleet.finish();
    await this.fleet.taken(this.agent, PATIENCE_MS);
    // What a publisher repeats is a new message for whoever is behind the broker.
    expect(this.fleet.load.clients.map(({ repeated }) => repeated)).toEqual(
      this.fleet.load.clients.map(() => 0),
    );
  }
}

function isPublish(bytes: Buffer): boolean {
  return bytes[0]! >> 4 === 3;
}

/** The reading in a payload, as device and number; none where it is broken. */
function readingsIn(payload: string): string[] {
  if (!payload.endsWith("}")) return [];
  const { d, t } = JSON.parse(payload) as { readonly d: string; readonly t: number };
  return [`${d} ${(t - FIRST_MS) / STEP_MS}`];
}
