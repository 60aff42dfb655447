/**
 * The agent as it runs on a gateway: `node dist/main.js run`, a process of its own with its own folder, to be stopped,
 * killed and started again on what it left behind. `scripts/test` builds `dist/` first; `WEIR_PROGRAM` names the
 * `main.js` of another build, for instance one with a fault put in that a test should catch.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished } from "vitest";
import type { AgentStatus } from "../../src/agent/status.js";
import { askAgent } from "../../src/cli/agent-client.js";
import type { Summary } from "../../src/model/summary.js";
import { moment } from "./seeded.js";
import { temporaryFolder, until } from "./tools.js";

export const PROGRAM = resolve(process.env.WEIR_PROGRAM ?? "dist/main.js");

/** A line of the log, as JSON. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event: string };

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly elapsedMs: number;
}

export interface AgentFiles {
  /** Sections `sources`, `targets` and the like, as YAML; the gateway, the store and the log are there already. */
  readonly config: string;
  /** Text by profile id. */
  readonly profiles?: Readonly<Record<string, string>>;
  readonly gateway?: string;
  /** Folder of the store, when it is not to be in the agent's own. */
  readonly storeFolder?: string;
  /** Another build than `PROGRAM`. */
  readonly program?: string;
  /** Beside the environment of the test. */
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs the one behind it, in the same process as far as signals are concerned. */
  readonly under?: readonly string[];
}

export class AgentProcess {
  readonly folder: string;
  /** Of all lives, in order. */
  readonly log: LogLine[] = [];
  /** What it wrote to stderr that is not a line of the log. */
  readonly noise: string[] = [];
  /** How long each life that came so far took until it was taking readings. */
  readonly startsMs: number[] = [];
  #child: ChildProcess | undefined;
  #closed: Promise<unknown> | undefined;
  #lifeBegan = 0;
  readonly #program: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #under: readonly string[];

  private constructor(folder: string, { program = PROGRAM, env = {}, under = [] }: AgentFiles) {
    this.folder = folder;
    this.#under = under;
    this.#program = program;
    this.#env = { ...process.env, ...env };
  }

  /** Writes config and profiles; does not start. */
  static async prepare(files: AgentFiles): Promise<AgentProcess> {
    expect(existsSync(PROGRAM), "build first: npm run build").toBe(true);
    const agent = new AgentProcess(await temporaryFolder(), files);
    await mkdir(join(agent.folder, "profiles"));
    if (files.storeFolder !== undefined) await symlink(files.storeFolder, agent.#path("store"));
    await agent.configure(files);
    onTestFinished(() => agent.kill());
    return agent;
  }

  /** Writes the config and those profiles that are given; a running agent notices at SIGHUP. */
  async configure({ config, profiles = {}, gateway = "gw" }: AgentFiles): Promise<void> {
    const head = [
      `gateway: { id: ${gateway}, site: lab, zone: UTC }`,
      "profiles: { path: profiles }",
      "log: { format: json }",
    ];
    const store = /^store:/m.test(config) ? [] : ["store: { path: store }"];
    await writeFile(this.#path("weir.yaml"), [...head, ...store, config].join("\n"));
    for (const [id, text] of Object.entries(profiles)) await this.writeProfile(id, text);
  }

  async writeProfile(id: string, text: string): Promise<void> {
    await writeFile(this.#path("profiles", `${id}.yaml`), text);
  }

  async removeProfile(id: string): Promise<void> {
    await rm(this.#path("profiles", `${id}.yaml`));
  }

  /** Any other file in the agent's folder. */
  async write(name: string, text: string): Promise<void> {
    await writeFile(this.#path(name), text);
  }

  #path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** Starts a process and returns at once. */
  spawn(): void {
    if (this.running) throw new Error("the agent runs already");
    this.#lifeBegan = this.log.length;
    const spawnedMs = performance.now();
    const node = [process.execPath, "--enable-source-maps", this.#program, "run", "-c", "weir.yaml"];
    const [command, ...args] = [...this.#under, ...node];
    const child = spawn(command!, args, {
      cwd: this.folder,
      env: this.#env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (!line.startsWith("{")) {
        this.noise.push(line);
        return;
      }
      const parsed = JSON.parse(line) as LogLine;
      this.log.push(parsed);
      if (parsed.event === "agent-started") this.startsMs.push(performance.now() - spawnedMs);
    });
    this.#child = child;
    this.#closed = once(child, "close");
  }

  /** Starts and waits until it takes readings. */
  async start(): Promise<void> {
    this.spawn();
    await this.logged("agent-started");
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  get running(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Lines of an event, of this life only. */
  events(event: string): LogLine[] {
    return this.log.slice(this.#lifeBegan).filter((line) => line.event === event);
  }

  /** Waits until this life has logged an event so many times. */
  async logged(event: string, count = 1): Promise<LogLine> {
    await until(
      () => {
        if (this.events(event).length >= count) return true;
        if (!this.running) throw new Error(`the agent ended before ${event}:\n${this.tail()}`);
        return false;
      },
      { what: `the agent logs ${event}`, tell: () => this.tail() },
    );
    return this.events(event)[count - 1]!;
  }

  /** The last words, for messages. */
  tail(): string {
    return [...this.noise.slice(-10), ...this.log.slice(-10).map((line) => JSON.stringify(line))].join("\n");
  }

  /** As a power cut would, as far as the process is concerned. */
  async kill(): Promise<void> {
    if (this.running) await this.end("SIGKILL");
  }

  async end(signal: NodeJS.Signals): Promise<Ended> {
    const child = this.#child!;
    const startMs = performance.now();
    const gone = once(child, "close");
    child.kill(signal);
    const [code, by] = (await gone) as [number | null, NodeJS.Signals | null];
    return { code, signal: by, elapsedMs: performance.now() - startMs };
  }

  /** Waits for an end that nobody asked for, and for the last words. */
  async ended(): Promise<Ended> {
    const startMs = performance.now();
    await this.#closed;
    const { exitCode, signalCode } = this.#child!;
    return { code: exitCode, signal: signalCode, elapsedMs: performance.now() - startMs };
  }

  /** Sends a signal and waits for nothing. */
  signal(signal: NodeJS.Signals): void {
    this.#child!.kill(signal);
  }

  /** SIGSTOP; when it resolves every thread stands still, and no system call is under way. */
  async pause(): Promise<void> {
    this.signal("SIGSTOP");
    const stopped = (thread: string): boolean => {
      const text = readFileSync(`/proc/${this.pid}/task/${thread}/stat`, "utf8");
      // The state follows the name, which is in brackets and may be anything.
      return text.slice(text.lastIndexOf(")") + 2).startsWith("T");
    };
    await until(() => readdirSync(`/proc/${this.pid}/task`).every(stopped), {
      what: "all threads have stopped",
    });
  }

  /** SIGHUP, and waits for what came of it. @param outcome the event that says so */
  async reload(outcome: "reloaded" | "reload-refused" = "reloaded"): Promise<void> {
    const before = this.events(outcome).length;
    this.signal("SIGHUP");
    await this.logged(outcome, before + 1);
  }

  async status(): Promise<AgentStatus> {
    return JSON.parse(await this.#ask("/status")) as AgentStatus;
  }

  /** The summary log of the running agent, oldest first, as it is stored. */
  async summaries(): Promise<string[]> {
    return (await this.#ask("/log")).split("\n").filter((line) => line !== "");
  }

  /** A file of JSON lines in the agent's folder. */
  async lines(name: string): Promise<string[]> {
    return (await readFile(this.#path(name), "utf8")).split("\n").filter((line) => line !== "");
  }

  async #ask(target: string): Promise<string> {
    const answer = await askAgent(this.#path("store", "weir.sock"), target).catch(async (error: Error) => {
      // One that has gone away in the midst of a question may still be saying why.
      await Promise.race([this.#closed, moment(1_000)]);
      throw new Error(`${error.message}; ${this.running ? "it runs" : "it has ended"}:\n${this.tail()}`);
    });
    if (answer === undefined) throw new Error(`no agent answers ${target}:\n${this.tail()}`);
    return (await answer.setEncoding("utf8").toArray()).join("");
  }

  /** The most memory that this life has had resident so far. */
  peakBytes(): number {
    const text = readFileSync(`/proc/${this.#child!.pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(text)![1]) * 1_024;
  }
}

/** What `weir replay` makes of a file: the final summaries, and how many readings it accepted. */
export async function replay(
  profile: string,
  lines: readonly string[],
): Promise<{ readonly summaries: readonly Summary[]; readonly report: string }> {
  const folder = await temporaryFolder();
  const file = join(folder, "recording");
  // The id of a profile is the name of its file.
  const name = join(folder, `${/^id: (.+)$/m.exec(profile)![1]}.yaml`);
  await writeFile(name, profile);
  await writeFile(file, lines.map((line) => `${line}\n`).join(""));
  const child = spawn(process.execPath, [PROGRAM, "replay", "--profile", name, file], { stdio: "pipe" });
  onTestFinished(() => void child.kill("SIGKILL"));
  let report = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    report += text;
  });
  const ended = once(child, "close");
  const summaries: Summary[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    summaries.push(JSON.parse(line) as Summary);
  }
  const [code] = (await ended) as [number | null];
  expect([code, report]).toEqual([0, report]);
  return { summaries, report };
}
