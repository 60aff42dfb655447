/**
 * Nothing acknowledged is lost in a kill: a real agent under the load of twenty devices, with a real upstream, killed
 * again and again at random moments, most of them moments at which something is half done.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { AgentProcess } from "../helpers/agent-process.js";
import { LONG, rounds, tell } from "../helpers/campaign.js";
import { type DeafProxy, startDeafProxy } from "../helpers/deaf-proxy.js";
import { DEFINITIONS, FLEET_PROFILES } from "../helpers/endless-device.js";
import { type Moment, type Scene, strikeAt, strikeAtFirstStart } from "../helpers/fault-moments.js";
import { Fleet } from "../helpers/fleet.js";
import { type Mosquitto, startMosquitto } from "../helpers/mosquitto.js";
import { moment, seeded } from "../helpers/seeded.js";
import { describeWithTools, freePort, until } from "../helpers/tools.js";
import { subscribeUpstream } from "../helpers/upstream.js";

const FIRST_STARTS = rounds(4, 16);
const KILLS = rounds(32, 144);
const KILLS_READING = rounds(8, 30);
const KILLS_COARSENING = rounds(6, 10);
/** For a slow machine with other work to do. */
const TIMEOUT_MS = LONG ? 1_800_000 : 300_000;

/** Messages of each device that wait in the broker at first, and that come to them at each kill. */
const QUEUED = 15;
const PUBACK = 0x40;
/** Messages of each device that fill the log up once. */
const FILLING = 100;

/** How often of twenty. */
const WEIGHTS: Readonly<Partial<Record<Moment, number>>> = {
  load: 4,
  acknowledging: 5,
  recovery: 5,
  checkpoint: 3,
  reload: 3,
};
const CYCLE = (Object.keys(WEIGHTS) as Moment[]).flatMap((at) => Array<Moment>(WEIGHTS[at]!).fill(at));

describeWithTools(["mosquitto"], "an agent that is killed", () => {
  it("has every acknowledged reading in its window, once, whenever it was killed", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("kills");
    const port = await freePort();
    const upstream = await startMosquitto();
    const received = await subscribeUpstream(upstream.url);
    const agent = await AgentProcess.prepare({
      config: config(`{ name: local, type: broker, listen: "127.0.0.1:${port}" }`, upstream),
      profiles: FLEET_PROFILES,
    });
    const fleet = new Fleet({ port, random });
    let definition = 0;
    const reload = async (): Promise<void> => {
      definition = 1 - definition;
      await agent.writeProfile("redefined", DEFINITIONS[definition]!);
    };
    const kills = new Kills({ agent, load: fleet.load, random, reload });

    for (let i = 0; i < FIRST_STARTS; i++) {
      // Nothing is acknowledged yet; what the last one left behind is what the first whole start finds.
      await rm(join(agent.folder, "store"), { recursive: true, force: true });
      await kills.atFirstStart();
    }
    agent.spawn();
    fleet.load.start();
    const moments = Array.from({ length: KILLS }, (_, i) => CYCLE[Math.floor((i / KILLS) * CYCLE.length)]!);
    for (const at of random.disordered(moments, KILLS)) {
      await kills.at(at);
      agent.spawn();
    }
    await agent.logged("agent-started");
    await fleet.finish();
    await fleet.expectKept(agent, received);
    expect(fleet.reconfigured(received)).toBeGreaterThan(0);
    expect(agent.log.filter(({ level }) => level === "error")).toEqual([]);
    const acknowledged = fleet.load.acknowledged;
    tell("kills", `${kills.figures()}; ${acknowledged} acknowledged, 0 lost, 0 doubled; ${starts(agent)}`);
  });

  it("has every reading that it has acknowledged to another broker, whose queue has let go of it", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("kills of an agent that reads from Mosquitto");
    const [field, upstream] = [await startMosquitto(), await startMosquitto()];
    const cable = await startDeafProxy(field.port);
    const received = await subscribeUpstream(upstream.url);
    const agent = await AgentProcess.prepare({
      // So few at a time that there is something on its way at every kill.
      config: config(`{ name: plant, type: mqtt, url: "${cable.url}", inflightMax: 16 }`, upstream),
      profiles: FLEET_PROFILES,
    });
    // The first connection makes the session that the broker queues for.
    await agent.start();
    await until(() => /SUBACK/.test(field.log()), { what: "the agent has subscribed" });
    const fleet = new Fleet({ port: field.port, random, firstMax: QUEUED });
    fleet.load.start();
    for (let kill = 0; kill < KILLS_READING; kill++) {
      await agent.logged("mqtt-connected", 2);
      fleet.load.allow(QUEUED);
      if (kill % 2 === 0) await acknowledging(cable, 1 + random.below(10), () => agent.signal("SIGKILL"));
      else await moment(random.below(150));
      await agent.kill();
      await agent.ended();
      agent.spawn();
    }
    await agent.logged("agent-started");
    await fleet.finish();
    await fleet.taken(agent);
    await fleet.expectKept(agent, received);
    const figures = `${KILLS_READING} kills; ${fleet.readings} readings, 0 lost, 0 doubled; ${starts(agent)}`;
    tell("kills, reading from a broker", figures);
  });

  it("merges what upstream could not take yet without losing a reading or counting one twice", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("kills while the log is made coarser");
    const port = await freePort();
    const upstream = await startMosquitto({ persistent: true });
    const received = await subscribeUpstream(upstream.url);
    const agent = await AgentProcess.prepare({
      config: [
        "store: { path: store, logBytesMax: 1MB, coarsen: [1s, 20s] }",
        "commit: { maxDelay: 20ms }",
        `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}" }]`,
        `targets: [{ name: cloud, type: mqtt, url: "${upstream.url}" }]`,
      ].join("\n"),
      profiles: FLEET_PROFILES,
    });
    const fleet = new Fleet({ port, random, firstMax: FILLING, counts: { short: 20 } });
    const kills = new Kills({ agent, load: fleet.load, random });
    await agent.start();
    fleet.load.start();
    for (let i = 0; i < KILLS_COARSENING; i++) {
      // It is there for a moment at the beginning and in the middle, so some have been sent and some may have been.
      if (i % Math.ceil(KILLS_COARSENING / 2) === 0) {
        if (i > 0) await upstream.start();
        const before = received.first.length;
        const tell = () => agent.tail();
        await until(() => received.first.length > before, { what: "summaries go upstream", tell });
        await upstream.stop();
      }
      fleet.load.allow(FILLING);
      await kills.at("coarsening");
      agent.spawn();
    }
    await agent.logged("agent-started");
    await fleet.finish();
    await upstream.start();
    expect((await agent.status()).store.logDropped).toBe(0);
    await fleet.expectEachOnce(agent, received);
    const coarse = received.latest().filter(({ window }) => window.coarsened !== undefined).length;
    expect(coarse).toBeGreaterThan(0);
    const merged = `${fleet.readings} readings, in ${coarse} coarse and ${received.latest().length - coarse} fine windows`;
    tell("kills, full log", `${kills.figures()}; ${merged}, 0 lost, 0 doubled; ${starts(agent)}`);
  });
});

function config(source: string, upstream: Mosquitto): string {
  return [
    // As small as it may be, for many checkpoints.
    "store: { path: store, journalBytesMax: 262144 }",
    "commit: { maxDelay: 20ms }",
    `sources: [${source}]`,
    `targets: [{ name: cloud, type: mqtt, url: "${upstream.url}" }]`,
  ].join("\n");
}

/** `strike`s when so many groups of acknowledgements have come through the cable, at once with the last of them. */
function acknowledging(cable: DeafProxy, groups: number, strike: () => void): Promise<void> {
  let left = groups;
  return new Promise((resolve) => {
    cable.heard = (bytes) => {
      if (bytes[0] !== PUBACK || --left !== 0) return;
      strike();
      resolve();
    };
  });
}

class Kills {
  readonly #scene: Scene;
  readonly #counts = new Map<string, number>();

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  async at(at: Moment): Promise<void> {
    const { agent } = this.#scene;
    await strikeAt(at, this.#scene, () => agent.signal("SIGKILL"));
    await agent.ended();
    // It may have been quicker than the kill.
    const missed = at === "recovery" && agent.events("agent-started").length > 0;
    this.#count(missed ? "start" : at);
  }

  async atFirstStart(): Promise<void> {
    const { agent } = this.#scene;
    agent.spawn();
    await strikeAtFirstStart(this.#scene, () => agent.signal("SIGKILL"));
    await agent.ended();
    this.#count("first start");
  }

  #count(moment: string): void {
    this.#counts.set(moment, (this.#counts.get(moment) ?? 0) + 1);
  }

  figures(): string {
    const total = [...this.#counts.values()].reduce((sum, n) => sum + n, 0);
    const each = [...this.#counts].map(([moment, n]) => `${n} ${moment}`).join(", ");
    return `${total} kills (${each})`;
  }
}

function starts(agent: AgentProcess): string {
  const sorted = [...agent.startsMs].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return `taking readings again after a median of ${Math.round(median)} ms`;
}
