/**
 * A real agent under the load of 20 devices, half of them QoS 1 and half QoS 2, its store on a disk that a test ill-treats,
 * and an upstream Mosquitto that can be held back so that the log has something to forward.
 */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { expect } from "vitest";
import { AgentProcess, type LogLine } from "./agent-process.js";
import { databaseFiles } from "./disks.js";
import { type Mosquitto, startMosquitto } from "./mosquitto.js";
import { Load } from "./mqtt-load.js";
import {
  closing,
  expectAccounted,
  expectNumbered,
  isClosing,
  NUMBERED_PROFILE,
  numbered,
} from "./numbered-readings.js";
import { freePort, temporaryFolder, until } from "./tools.js";
import { type Summaries, subscribeUpstream } from "./upstream.js";

export const DEVICES = Array.from({ length: 20 }, (_, i) => `dev-${i}`);
/** Of each device. */
export const INFLIGHT = 4;
/** Hardly compressible text, so that the store grows as it would in a long life. */
const NOTE_BYTES = 200;
/** Summaries. */
const WARM_UP = 20;
const PING_MS = 500;
/** The least there is: a checkpoint for about every thousand readings. */
const JOURNAL_BYTES_MIN = 262_144;

export interface SceneOptions {
  /** Folder on the disk in question. */
  readonly storeFolder: string;
  /** Per device, a multiple of fifty. */
  readonly readings: number;
  readonly program?: string;
  readonly profile?: string;
  /** Default: the least there is. */
  readonly journalBytesMax?: number;
}

export class DiskScene {
  readonly agent: AgentProcess;
  readonly load: Load;
  readonly upstream: Mosquitto;
  readonly received: Summaries;
  readonly #readings: number;
  readonly #storeFolder: string;
  readonly #journalBytesMax: number;
  readonly #pings: string;

  private constructor(parts: Pick<DiskScene, "agent" | "load" | "upstream" | "received">, rest: Rest) {
    this.agent = parts.agent;
    this.load = parts.load;
    this.upstream = parts.upstream;
    this.received = parts.received;
    this.#readings = rest.readings;
    this.#storeFolder = rest.storeFolder;
    this.#journalBytesMax = rest.journalBytesMax;
    this.#pings = rest.pings;
  }

  /** Nothing runs yet but the upstream. */
  static async prepare(options: SceneOptions): Promise<DiskScene> {
    const { storeFolder, readings } = options;
    const { profile = NUMBERED_PROFILE, journalBytesMax = JOURNAL_BYTES_MIN } = options;
    const port = await freePort();
    const upstream = await startMosquitto();
    const received = await subscribeUpstream(upstream.url);
    const manager = await serviceManager();
    const agent = await AgentProcess.prepare({
      ...options,
      storeFolder,
      config: [
        `store: { path: store, journalBytesMax: ${journalBytesMax} }`,
        "commit: { maxDelay: 20ms }",
        "sources:",
        `  - { name: local, type: broker, listen: "127.0.0.1:${port}" }`,
        "targets:",
        `  - { name: cloud, type: mqtt, url: "${upstream.url}" }`,
      ].join("\n"),
      profiles: { numbered: profile },
      env: manager.env,
    });
    const load = new Load(
      DEVICES.map((device, i) => ({
        port,
        clientId: device,
        messages: messagesOf(device, readings),
        qos: i % 2 === 0 ? (1 as const) : (2 as const),
        inflightMax: INFLIGHT,
      })),
    );
    return new DiskScene(
      { agent, load, upstream, received },
      { ...options, journalBytesMax, pings: manager.pings },
    );
  }

  /** Starts agent and load; upstream is deaf, so that summaries gather in the log. */
  async warmUp(beforeLoad = () => {}): Promise<void> {
    await this.startUntilItRuns();
    await this.agent.logged("mqtt-connected");
    beforeLoad();
    this.upstream.freeze();
    this.load.start();
    await until(async () => (await this.agent.status()).store.logHead >= WARM_UP, {
      what: "there is something in the log",
    });
  }

  /** Waits until the next commits bring a checkpoint along, or the load has ended without another one. */
  async checkpointIsNear(): Promise<void> {
    const isNear = async () => (await this.agent.status()).store.journalBytes > 0.9 * this.#journalBytesMax;
    await until(async () => this.load.done || (await isNear()), {
      what: "the journal is nearly full",
    });
  }

  /** Waits until the store says that it fails, in the status and in the log. */
  async failing(reason: RegExp): Promise<void> {
    expect(await this.agent.logged("store-write-failed")).toMatchObject({ level: "error" });
    await until(async () => reason.test((await this.agent.status()).store.failing ?? ""), {
      what: `the status says that the store fails: ${reason}`,
    });
  }

  /**
   * As `failing`, where what is written cannot be read either: then the agent may also end, and say why.
   * @returns whether it has
   */
  async failsOrEnds(reason: RegExp): Promise<boolean> {
    const { agent } = this;
    const failed = await this.failing(reason).then(
      () => undefined,
      (error: Error) => error,
    );
    if (failed === undefined) return false;
    const last = agent.events("agent-failed").at(-1);
    if (last?.code !== "store-read-failed") throw failed;
    expect((await agent.ended()).code).toBe(1);
    return true;
  }

  /** While nothing can be written nothing is acknowledged, and the process answers and is in no need of a restart. */
  async pushesBack(): Promise<void> {
    await until(async () => (await this.#acknowledgedDuring(STILL_MS)) === 0, {
      what: "nothing is acknowledged any more",
    });
    const pings = await this.pings();
    await until(async () => (await this.pings()) > pings, { what: "the watchdog is fed" });
    expect(this.load.done).toBe(false);
  }

  async #acknowledgedDuring(ms: number): Promise<number> {
    const before = this.load.acknowledged;
    await new Promise((resolve) => setTimeout(resolve, ms));
    return this.load.acknowledged - before;
  }

  /** Upstream hears again, and gets all that is in the log although nothing can be written. @returns how much that is */
  async forwards(): Promise<number> {
    const { logHead } = (await this.agent.status()).store;
    expect(logHead).toBeGreaterThan(0);
    this.upstream.thaw();
    await until(() => this.received.first.length >= logHead, {
      what: `upstream has the ${logHead} summaries of the log`,
    }).catch((error: Error) => {
      throw new Error(`${error.message}; it has ${this.received.first.length}\n${this.agent.tail()}`);
    });
    expect((await this.agent.status()).store.failing).toBeDefined();
    return logHead;
  }

  /** Waits until writes get through again. */
  async recovers(): Promise<void> {
    await until(async () => (await this.agent.status()).store.failing === undefined, {
      what: "the status says that all is well",
    });
    await this.agent.logged("store-recovered");
    await this.load.progress(100);
  }

  /** As `Restart=always` does. */
  async startUntilItRuns(): Promise<void> {
    for (;;) {
      if (!this.agent.running) this.agent.spawn();
      await until(() => this.agent.events("agent-started").length > 0 || !this.agent.running, {
        what: "the agent runs or ends",
      });
      if (this.agent.running) return;
    }
  }

  async pings(): Promise<number> {
    const text = await readFile(this.#pings, "utf8").catch(() => "");
    return text.split("\n").filter((line) => line.includes("WATCHDOG=1")).length;
  }

  /** Paths that the system calls of the agent's database name, and where they are in truth. */
  databaseFiles(): string[] {
    const folders = [join(this.agent.folder, "store"), this.#storeFolder];
    return folders.flatMap((folder) => [...databaseFiles(join(folder, "db")), join(folder, "probe")]);
  }

  /** Lines of all lives: what the writes failed on. */
  reasons(): string[] {
    return this.agent.log
      .filter(({ event }: LogLine) => event === "store-write-failed")
      .map(({ reason }) => String(reason));
  }

  /** Readings that are not in the store's count, once everything is acknowledged. */
  async missing(): Promise<number> {
    const { accepted } = await this.agent.status();
    return DEVICES.length * (this.#readings + 1) - accepted;
  }

  /** Everything is acknowledged, and every device has each of its readings exactly once. */
  async keepsAll(): Promise<void> {
    await this.load.finished();
    const { byDevice } = await this.agent.status();
    expectAccounted(byDevice);
    const accepted = byDevice.map(({ device, accepted }) => [device, accepted]);
    // The closing reading is one more.
    expect(accepted.sort()).toEqual(DEVICES.map((device) => [device, this.#readings + 1]).sort());
    expect(byDevice.map(({ rejected }) => rejected.late ?? 0)).toEqual(DEVICES.map(() => 0));
  }

  /** Upstream has it all, in the order of the log, and no summary in two versions. */
  async delivers(): Promise<void> {
    this.upstream.thaw();
    const windows = (Math.ceil(this.#readings / 50) + Math.ceil(this.#readings / 200)) * DEVICES.length;
    const ofReadings = () => this.received.latest().filter((each) => !isClosing(each, this.#readings));
    await until(() => ofReadings().filter(({ final }) => final).length >= windows, {
      what: "the final summaries are upstream",
    });
    expect(this.received.contradictions).toEqual([]);
    const log = await this.agent.summaries();
    await until(() => this.received.first.length >= log.length, { what: "all of the log is upstream" });
    expect(this.received.first).toEqual(log);
    for (const name of ["5s", "20s"]) {
      const one = ofReadings().filter(({ window }) => window.name === name);
      expectNumbered(one, DEVICES, this.#readings);
    }
  }
}

interface Rest {
  readonly readings: number;
  readonly storeFolder: string;
  readonly journalBytesMax: number;
  readonly pings: string;
}

const STILL_MS = 150;

function messagesOf(device: string, count: number) {
  const payloads = Array.from({ length: count }, (_, i) => numbered(device, i, noteOf(device, i)));
  return [...payloads, closing(device, count)].map((payload) => ({ topic: `n/${device}`, payload }));
}

function noteOf(device: string, i: number): string {
  let state = i * 2_654_435_761 + device.length;
  const characters = Array.from({ length: NOTE_BYTES }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return String.fromCharCode(97 + ((state >>> 16) % 26));
  });
  return characters.join("");
}

/** A `systemd-notify` that keeps a list, and the environment of a unit with a watchdog. */
async function serviceManager(): Promise<{ readonly env: Record<string, string>; readonly pings: string }> {
  const folder = await temporaryFolder();
  const pings = join(folder, "messages");
  const program = join(folder, "bin", "systemd-notify");
  await mkdir(join(folder, "bin"));
  await writeFile(program, `#!/bin/sh\necho "$*" >>${pings}\n`);
  await chmod(program, 0o755);
  const PATH = [join(folder, "bin"), process.env.PATH ?? ""].join(delimiter);
  return { env: { PATH, NOTIFY_SOCKET: "/nowhere", WATCHDOG_USEC: `${PING_MS * 3_000}` }, pings };
}
