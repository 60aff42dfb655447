/**
 * The agent as a process of its own, started as a service manager would: `weir run -c …`.
 *
 * It is in a process group of its own, so that Ctrl-C reaches only the demo, which ends things in order (devices
 * first, the agent after them). Should the demo itself be killed, the closing of the channel between the two tells the
 * agent, which ends in good order: no demo leaves a process behind.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Timers } from "../model/clock.js";
import { WeirError } from "../model/errors.js";

/** One line of the agent's log. */
export interface AgentEvent {
  readonly level: string;
  readonly event: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface AgentProcessOptions {
  readonly config: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timers: Timers;
  readonly onEvent: (event: AgentEvent) => void;
}

const MAIN = fileURLToPath(new URL("../main.js", import.meta.url));
/** A real signal: one that comes before the agent listens to it ends the process, too. No `?`: it would end a URL's path. */
const LEASH = 'data:text/javascript,process.once("disconnect",()=>process.kill(process.pid,"SIGTERM"))';
/** What a service manager tells its service is not meant for this one. */
const NOT_OURS = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM"];
const START_MS_MAX = 30_000;
/** The agent promises five seconds. */
const STOP_MS_MAX = 8_000;
const LAST_LINES = 5;

export class AgentProcess {
  readonly #options: AgentProcessOptions;
  readonly #child: ChildProcess;
  readonly #lastLines: string[] = [];
  /** Its exit code; undefined when a signal ended it. */
  readonly ended: Promise<number | undefined>;
  #brokerPort: number | undefined;
  #onStarted: (() => void) | undefined;

  constructor(options: AgentProcessOptions) {
    this.#options = options;
    const env = Object.fromEntries(Object.entries(options.env).filter(([name]) => !NOT_OURS.includes(name)));
    const args = ["--enable-source-maps", "--import", LEASH, MAIN, "run", "-c", options.config];
    const stdio = ["ignore", "ignore", "pipe", "ipc"] as const;
    this.#child = spawn(process.execPath, args, { stdio: [...stdio], env, detached: true });
    this.ended = once(this.#child, "close").then(([code]) => (code as number | null) ?? undefined);
    createInterface({ input: this.#child.stderr! }).on("line", (line) => this.#onLine(line));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The last lines of its log, for when it has ended before its time. */
  get lastLines(): string {
    return this.#lastLines.join("\n");
  }

  /** Resolves with the port of its broker when it takes readings. @throws WeirError `demo-agent-failed` */
  async started(): Promise<number> {
    const ready = new Promise<"ready">((resolve) => {
      this.#onStarted = () => resolve("ready");
    });
    const outcome = await Promise.race([ready, this.ended.then(() => "ended"), this.#after(START_MS_MAX)]);
    if (outcome === "ready" && this.#brokerPort !== undefined) return this.#brokerPort;
    this.kill();
    throw new WeirError("demo-agent-failed", `the agent did not start:\n${this.lastLines}`);
  }

  /** @returns whether it ended in good order, and in time */
  async stop(): Promise<boolean> {
    this.#child.kill("SIGTERM");
    const outcome = await Promise.race([this.ended, this.#after(STOP_MS_MAX)]);
    if (outcome === "late") this.kill();
    return outcome === 0;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #after(ms: number): Promise<"late"> {
    return new Promise((resolve) => {
      const timer = this.#options.timers.after(ms, () => resolve("late"));
      void this.ended.then(() => timer.cancel());
    });
  }

  #onLine(line: string): void {
    this.#lastLines.push(line);
    if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift();
    const event = parseEvent(line);
    if (event === undefined) return;
    if (event.event === "broker-listening") this.#brokerPort = portOf(String(event.address));
    if (event.event === "agent-started") this.#onStarted?.();
    this.#options.onEvent(event);
  }
}

/** Anything else on its standard error (a warning of Node) is not an event. */
function parseEvent(line: string): AgentEvent | undefined {
  try {
    const event: unknown = JSON.parse(line);
    return typeof event === "object" && event !== null && "event" in event
      ? (event as AgentEvent)
      : undefined;
  } catch {
    return undefined;
  }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
