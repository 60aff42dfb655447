/**
 * A machine that is too small: a real agent with little memory, and with more connections than it lets in. It may push back, and it may be ended by the kernel and started again, but what it has
 * acknowledged is in its window upstream, once, and who was let in is served.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { AgentProcess } from "../helpers/agent-process.js";
import { LONG, rounds, tell } from "../helpers/campaign.js";
import { startMosquitto } from "../helpers/mosquitto.js";
import { Load, type Message } from "../helpers/mqtt-load.js";
import {
  closing,
  expectAccounted,
  expectNumbered,
  isClosing,
  NUMBERED_PROFILE,
  numbered,
} from "../helpers/numbered-readings.js";
import { describeWithTools, freePort, until } from "../helpers/tools.js";
import { type Summaries, subscribeUpstream } from "../helpers/upstream.js";

const TIMEOUT_MS = LONG ? 900_000 : 240_000;
/** For a busy machine. */
const PATIENCE_MS = LONG ? 600_000 : 150_000;
const CLIENTS = 20;
/** Devices behind each client, as behind a concentrator. */
const DEVICES_EACH = 100;
const READINGS_EACH = rounds(2, 20);
const MEMORY_BYTES = 96 * 1_048_576;
/** Enough to start; too little for what a busy agent likes to keep. */
const HEAP_MB = 36;
const KNOCKS = rounds(2_000, 10_000);
const WAVE = 500;
const CONNECTIONS_MAX = 200;
const NOTE = "text that makes payloads longer than those of the field are. ".repeat(8);

const CGROUPS = "/sys/fs/cgroup";
const noMemoryGroup = process.getuid?.() === 0 ? undefined : " (skipped: needs root for a memory cgroup)";

describeWithTools(["mosquitto"], "an agent on a machine that is too small", () => {
  it.skipIf(noMemoryGroup !== undefined)(
    `loses nothing in a memory cgroup of 96 MB${noMemoryGroup ?? ""}`,
    { timeout: TIMEOUT_MS },
    async () => {
      const group = memoryGroup(MEMORY_BYTES);
      const crowd = await Crowd.prepare({
        under: ["sh", "-c", 'echo $$ >"$0" && exec "$@"', group.processes],
      });
      await crowd.run();
      await crowd.expectKept();
      const peakMb = Math.round(group.peakBytes() / 1_048_576);
      tell("limits, 96 MB of memory", `${crowd.figures()}; at most ${peakMb} MB charged`);
      await crowd.agent.kill();
    },
  );

  it("loses nothing with a heap that is too small", { timeout: TIMEOUT_MS }, async () => {
    const crowd = await Crowd.prepare({ env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` } });
    await crowd.run();
    await crowd.expectKept();
    tell(`limits, ${HEAP_MB} MB of heap`, crowd.figures());
  });

  it("serves who was let in while thousands of others knock and say nothing", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const crowd = await Crowd.prepare({ source: `connectionsMax: ${CONNECTIONS_MAX}` });
    await crowd.started();
    const running = crowd.run();
    let knocked = 0;
    while (knocked < KNOCKS) {
      const wave = await crowd.flood(WAVE);
      const refusedMin = WAVE - CONNECTIONS_MAX;
      await until(() => wave.filter(({ destroyed }) => destroyed).length >= refusedMin, {
        what: `at least ${refusedMin} of ${WAVE} connections are refused`,
        timeoutMs: PATIENCE_MS,
      });
      knocked += wave.length;
      for (const socket of wave) socket.destroy();
    }
    await running;
    await crowd.expectKept();
    const { events } = await crowd.agent.status();
    const refused = events
      .filter(({ name }) => name === "broker-connection-refused")
      .reduce((sum, { value }) => sum + value, 0);
    expect(refused, "refused connections are counted").toBeGreaterThan(0);
    expect(crowd.ends, "times it ended").toBe(0);
    tell("limits, connections", `${knocked} connections attempted, ${refused} refused; ${crowd.figures()}`);
  });
});

interface CrowdOptions {
  readonly under?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** More keys of the source. */
  readonly source?: string;
}

/** Clients that publish for many devices each, an agent that is started again whenever it ends, and its upstream. */
class Crowd {
  readonly agent: AgentProcess;
  readonly load: Load;
  /** How often the agent has ended without being asked. */
  ends = 0;
  readonly #port: number;
  readonly #received: Summaries;

  private constructor(parts: { agent: AgentProcess; port: number; received: Summaries }) {
    this.agent = parts.agent;
    this.#port = parts.port;
    this.#received = parts.received;
    this.load = new Load(
      Array.from({ length: CLIENTS }, (_, client) => ({
        port: parts.port,
        clientId: `concentrator-${client}`,
        messages: messagesOf(client),
        qos: client % 2 === 0 ? (1 as const) : (2 as const),
        inflightMax: 100,
        firstMax: 0,
      })),
    );
  }

  static async prepare({ source, ...files }: CrowdOptions): Promise<Crowd> {
    const port = await freePort();
    const upstream = await startMosquitto();
    const received = await subscribeUpstream(upstream.url);
    const more = source === undefined ? "" : `, ${source}`;
    const agent = await AgentProcess.prepare({
      config: [
        "store: { path: store, journalBytesMax: 262144 }",
        "commit: { maxDelay: 20ms }",
        "limits: { devices: 10000 }",
        `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}"${more} }]`,
        `targets: [{ name: cloud, type: mqtt, url: "${upstream.url}" }]`,
      ].join("\n"),
      profiles: { numbered: NUMBERED_PROFILE },
      ...files,
    });
    return new Crowd({ agent, port, received });
  }

  /** The agent runs, and every client is connected and waits. */
  async started(): Promise<void> {
    await this.agent.start();
    this.load.start();
    await until(() => this.load.clients.every(({ connections }) => connections > 0), {
      what: "every client is connected",
      timeoutMs: PATIENCE_MS,
    });
  }

  /** Everything is published; whenever the agent ends it is started again, as systemd would. */
  async run(): Promise<void> {
    if (!this.agent.running) await this.started();
    this.load.allow(Number.POSITIVE_INFINITY);
    await until(
      () => {
        this.#revive();
        return this.load.done;
      },
      { what: "every publish is acknowledged", timeoutMs: PATIENCE_MS },
    ).catch((error: Error) => {
      throw new Error(`${error.message} (${this.load.acknowledged} are)\n${this.agent.tail()}`);
    });
  }

  /** What the agent says; one that came to its end over the answer is started again and asked once more. */
  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    let answer: T | undefined;
    let refusal: unknown;
    await until(
      async () => {
        this.#revive();
        // That the process has ended may be known later than that its connection has.
        answer = await ask().catch((error: unknown) => {
          refusal = error;
          return undefined;
        });
        return answer !== undefined;
      },
      { what: "the agent has answered", timeoutMs: PATIENCE_MS },
    ).catch((error: Error) => {
      throw new Error(`${error.message}: ${refusal}\n${this.agent.tail()}`);
    });
    return answer!;
  }

  #revive(): void {
    if (this.agent.running) return;
    this.ends++;
    this.agent.spawn();
  }

  /** So many connections that say nothing; those that are refused or closed are among them. */
  async flood(count: number): Promise<Socket[]> {
    const sockets = Array.from({ length: count }, () => connect({ port: this.#port, host: "127.0.0.1" }));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    for (const socket of sockets) socket.on("error", () => undefined).resume();
    await until(() => sockets.every(({ connecting }) => !connecting), {
      what: `${count} connections have been attempted`,
      timeoutMs: PATIENCE_MS,
    });
    return sockets;
  }

  /** Holds upstream to every acknowledged reading, once. To be called after `run`. */
  async expectKept(): Promise<void> {
    const received = this.#received;
    const wanted = CLIENTS * DEVICES_EACH;
    const early = () => received.latest().filter((summary) => !isClosing(summary, READINGS_EACH));
    const whole = () => new Set(early().map(({ device }) => device)).size === wanted;
    await until(
      () => {
        this.#revive();
        return whole();
      },
      { what: `a window of each of ${wanted} devices is upstream`, timeoutMs: PATIENCE_MS },
    );
    await until(
      async () => received.lines.includes((await this.#asked(() => this.agent.summaries())).at(-1) ?? ""),
      {
        what: "upstream has what the log has",
        timeoutMs: PATIENCE_MS,
      },
    );
    expect(received.contradictions, "one revision says one thing").toEqual([]);
    const names = Array.from({ length: CLIENTS }, (_, client) => devicesOf(client)).flat();
    const fives = early().filter(({ window }) => window.name === "5s");
    expectNumbered(fives, names, READINGS_EACH);
    const { byDevice } = await this.#asked(() => this.agent.status());
    expectAccounted(byDevice);
    expect(byDevice.length).toBe(wanted);
  }

  figures(): string {
    const { acknowledged, repeated } = this.load;
    const devices = CLIENTS * DEVICES_EACH;
    const again = `ended and started again ${this.ends} times, ${repeated} publishes repeated`;
    return `${acknowledged} readings of ${devices} devices acknowledged, 0 lost, 0 doubled; ${again}`;
  }
}

function devicesOf(client: number): string[] {
  return Array.from({ length: DEVICES_EACH }, (_, i) => `c${client}-${i}`);
}

function* messagesOf(client: number): Generator<Message> {
  const devices = devicesOf(client);
  for (let i = 0; i < READINGS_EACH; i++) {
    for (const device of devices) yield { topic: `n/${device}`, payload: numbered(device, i, `${NOTE}${i}`) };
  }
  for (const device of devices) yield { topic: `n/${device}`, payload: closing(device, READINGS_EACH) };
}

interface MemoryGroup {
  /** A process that writes its id in here is in the group. */
  readonly processes: string;
  peakBytes(): number;
}

/** A child of this process's own memory cgroup, version 1 or 2, with a limit; it goes when the test is finished. */
function memoryGroup(bytes: number): MemoryGroup {
  const own = readFileSync("/proc/self/cgroup", "utf8");
  const old = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(own)?.[1];
  const base = old === undefined ? CGROUPS + /^0::(.*)$/m.exec(own)![1]! : `${CGROUPS}/memory${old}`;
  const folder = `${base}/weir-test-${process.pid}-${performance.now().toFixed(0)}`;
  mkdirSync(folder);
  // Finished in reverse order: the agent, which is prepared later, is gone by then.
  onTestFinished(() => removeGroup(folder));
  writeFileSync(`${folder}/${old === undefined ? "memory.max" : "memory.limit_in_bytes"}`, String(bytes));
  const peak = old === undefined ? "memory.peak" : "memory.max_usage_in_bytes";
  return {
    processes: `${folder}/cgroup.procs`,
    peakBytes: () => Number(readFileSync(`${folder}/${peak}`, "utf8")),
  };
}

/** The kernel lets go of the last process a moment after its end. */
async function removeGroup(folder: string): Promise<void> {
  await until(
    () => {
      try {
        rmdirSync(folder);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EBUSY") return false;
        throw error;
      }
    },
    { what: "the memory cgroup is empty" },
  );
}
