import { Agent } from "../../src/agent/agent.js";
import type { Outside } from "../../src/agent/parts.js";
import type { AgentStatus } from "../../src/agent/status.js";
import { type Config, parseConfig } from "../../src/config/load.js";
import { CorruptRecord } from "../../src/model/bytes.js";
import { messageOf } from "../../src/model/errors.js";
import type { Observer } from "../../src/model/log-event.js";
import type { Profile } from "../../src/model/profile.js";
import { createCounters } from "../../src/observe/counters.js";
import { SimulatedBroker } from "./broker.js";
import { ProcessTime, type WallClock } from "./clocks.js";
import type { Dice } from "./dice.js";
import type { SimulatedDisk } from "./disk.js";
import type { Kernel } from "./kernel.js";
import type { Network } from "./network.js";
import type { Scenario } from "./scenario.js";
import { SimulatedTarget, type SimulatedUpstream } from "./upstream.js";

/** An event as the agent told it. */
export interface Told {
  readonly atMs: number;
  readonly name: string;
  readonly fields: object;
}

/** One process of the agent, from its start to its end. */
interface Life {
  readonly time: ProcessTime;
  readonly mount: ReturnType<SimulatedDisk["mount"]>;
  readonly targets: SimulatedTarget[];
  broker: SimulatedBroker | undefined;
  agent: Agent | undefined;
  stopping: boolean;
  /** Of the disk, when it began. */
  readonly refusals: number;
  alive: boolean;
}

/** What systemd waits before it starts the agent again. */
const RESTART_MS = 1_000;
/** And how long it waits for an orderly end before it kills. */
const STOP_MS_MAX = 10_000;

/** The machine: whatever happens to the process, another one is started over the same disk. */
export class Gateway {
  readonly told: Told[] = [];
  /** Payloads that any life's broker has handed in. */
  takenIn = 0;
  /** Called when a life has recovered, and when one is about to end in good order. */
  onUp: (agent: Agent) => void = () => {};
  lives = 0;
  /** Of config and profiles, those that may come into force. */
  readonly versions: readonly number[];
  readonly #on: GatewayParts;
  readonly #configs: readonly Config[];
  #version = 0;
  #life: Life | undefined;
  #starting = false;

  constructor(on: GatewayParts) {
    this.#on = on;
    this.versions = on.scenario.every.reload < Number.POSITIVE_INFINITY ? [0, 1, 2] : [0];
    this.#configs = this.versions.map((version) => configOf(on.scenario, version));
  }

  get profiles(): readonly Profile[] {
    return this.#on.scenario.profiles.map(({ load }) => load(this.#version % this.versions.length));
  }

  get #config(): Config {
    return this.#configs[this.#version % this.#configs.length]!;
  }

  /** Of every version of the config. */
  get groups(): readonly Config["groups"][] {
    return this.#configs.map(({ groups }) => groups);
  }

  broker(): SimulatedBroker | undefined {
    return this.#life?.broker;
  }

  /** Of the running agent. */
  status(): AgentStatus | undefined {
    return this.#life?.agent?.status();
  }

  get isUp(): boolean {
    return this.#life?.agent !== undefined;
  }

  start(): void {
    if (this.#life !== undefined || this.#starting) return;
    this.lives++;
    const { kernel, wall, disk, dice } = this.#on;
    const life: Life = {
      time: new ProcessTime(kernel, wall),
      mount: disk.mount(),
      targets: [],
      broker: undefined,
      agent: undefined,
      stopping: false,
      refusals: disk.refusals,
      alive: true,
    };
    this.#life = life;
    const jitter = dice.fork(`life ${this.lives}`);
    const observer = this.#observer();
    Agent.start({
      clock: life.time,
      timers: life.time,
      random: () => jitter.next(),
      observer,
      counters: createCounters(),
      config: this.#config,
      profiles: this.profiles,
      brokenProfiles: [],
      outside: this.#outsideOf(life),
      onFatal: (error) => {
        // An end in good order gives up a write that cannot get through.
        if (life.stopping) return;
        if (this.#isRot(error)) this.#die(life);
        else kernel.fail(error);
      },
    }).then(
      (agent) => {
        if (!life.alive) return;
        life.agent = agent;
        try {
          this.onUp(agent);
        } catch (error) {
          this.#on.kernel.fail(error);
        }
      },
      (error: unknown) => this.#startFailed(life, error),
    );
  }

  /** It has ended itself, and systemd starts it again. */
  #die(life: Life): void {
    if (!life.alive) return;
    this.#end(life);
    this.#startLater();
  }

  /** A store that cannot be opened at present ends the process, and systemd tries again. */
  #startFailed(life: Life, error: unknown): void {
    if (!life.alive) return;
    // It may have got room in the meantime.
    const full = /no space left/.test(messageOf(error)) && this.#on.disk.refusals > life.refusals;
    if (!full && !this.#isRot(error)) this.#on.kernel.fail(error);
    this.#end(life);
    this.#startLater();
  }

  #observer(): Observer {
    return {
      emit: ({ name }, fields) => {
        this.told.push({ atMs: this.#on.kernel.nowMs, name, fields });
      },
    };
  }

  #outsideOf(life: Life): Outside {
    const { remote, upstreams, scenario } = this.#on;
    return {
      disk: () => life.mount,
      source: async (config, world) => {
        const intake: typeof world.intake = (delivery) => {
          this.takenIn++;
          world.intake(delivery);
        };
        life.broker = new SimulatedBroker(config.name, intake, () => life.alive);
        return life.broker;
      },
      target: async (config) => {
        const upstream = upstreams.find(({ name }) => name === config.name)!;
        const { entriesMax } = scenario.targets.find(({ name }) => name === config.name)!;
        const target = new SimulatedTarget({ upstream, network: remote, time: life.time, entriesMax });
        life.targets.push(target);
        return target;
      },
      localApi: async () => ({ close: async () => {} }),
    };
  }

  /** kill -9, or a power cut as far as the process is concerned. */
  crash(): void {
    if (this.#life === undefined) return;
    this.#end(this.#life);
    this.#startLater();
  }

  #startLater(): void {
    this.#starting = true;
    this.#on.kernel.after(RESTART_MS, () => {
      this.#starting = false;
      this.start();
    });
  }

  #end(life: Life): void {
    life.alive = false;
    life.time.die();
    life.mount.die();
    life.broker?.die();
    for (const target of life.targets) target.die();
    if (this.#life === life) this.#life = undefined;
  }

  /** SIGTERM, and a new start. */
  restart(): void {
    const life = this.#life;
    if (life?.agent === undefined) return;
    const { agent } = life;
    life.agent = undefined;
    life.stopping = true;
    const over = () => {
      if (!life.alive) return;
      this.#end(life);
      this.#startLater();
    };
    this.#on.kernel.after(STOP_MS_MAX, over);
    agent.stop().then(over, (error: unknown) => {
      if (life.alive) this.#on.kernel.fail(error);
    });
  }

  /** SIGHUP with the next version of every profile, and of the config. */
  reload(): void {
    const life = this.#life;
    if (life?.agent === undefined) return;
    this.#version++;
    const next = { config: this.#config, profiles: this.profiles, brokenProfiles: [] };
    life.agent.reload(next).catch((error: unknown) => {
      // An end in good order gives up a reload that waits for a write that cannot get through.
      if (!life.alive || life.stopping) return;
      if (this.#isRot(error)) this.#die(life);
      else this.#on.kernel.fail(error);
    });
  }

  /** A record that comes back from the disk otherwise than it was written. */
  #isRot(error: unknown): boolean {
    return error instanceof CorruptRecord && this.#on.disk.rotted.length > 0;
  }
}

export interface GatewayParts {
  readonly kernel: Kernel;
  readonly scenario: Scenario;
  readonly dice: Dice;
  readonly wall: WallClock;
  readonly disk: SimulatedDisk;
  readonly remote: Network;
  readonly upstreams: readonly SimulatedUpstream[];
}

function configOf(scenario: Scenario, version: number): Config {
  const targets = scenario.targets.map(
    ({ name, schedule }) =>
      `  - { name: ${name}, type: mqtt, url: "mqtt://localhost", schedule: "${schedule}" }`,
  );
  const text = [
    "gateway: { id: gw }",
    "sources: [{ name: local, type: broker }]",
    "targets:",
    ...targets,
    `groups: [${scenario.groups.map(({ texts }) => texts[version]).join(", ")}]`,
    `limits: { devices: ${scenario.devicesMax} }`,
    `commit: { maxDelay: ${scenario.commitDelayMs}ms }`,
    "",
  ].join("\n");
  const { config, diagnostics } = parseConfig(text, "/simulated/weir.yaml", { env: {} });
  if (config === undefined) throw new Error(JSON.stringify(diagnostics));
  // Bounds below what a config may ask for, so that a short simulation meets them.
  const limits = { ...config.limits, memoryBytesMax: scenario.memoryBytesMax };
  return { ...config, limits, store: { ...config.store, ...scenario.store } };
}
