/**
 * Weir at work in one command: the real agent (`weir run` as a process, on the example config), devices that publish
 * to it over TCP and a serial line, and a broker that stands in for the cloud and gets the summaries.
 *
 * Only the devices are simulated. Things end in the order in which data flows: devices first (what they sent is
 * acknowledged), then the agent (what it took in is committed, what is due goes upstream), the cloud last.
 */
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { AgentStatus } from "../agent/status.js";
import type { Clock, Random, Timers } from "../model/clock.js";
import { WeirError } from "../model/errors.js";
import type { Observer } from "../model/log-event.js";
import { type AgentEvent, AgentProcess } from "./agent-process.js";
import { DemoCloud } from "./cloud.js";
import { MqttWire, SerialWire, SimulatedDevice } from "./device.js";
import type { Display, Door } from "./display.js";
import { mqttScripts, serialMeter } from "./scripts.js";
import { SerialLine } from "./serial-line.js";
import type { View } from "./view.js";
import { fillWorkspace, type Workspace } from "./workspace.js";

export interface DemoOptions {
  /** Empty, and removed by the caller. */
  readonly folder: string;
  readonly view: View;
  readonly display: Display;
  /** How long to show; undefined for as long as the person likes. */
  readonly seconds: number | undefined;
  /** Resolves when the person has seen enough. */
  readonly ending: Promise<unknown>;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** What the agent with this store folder says of itself; undefined while it does not answer. */
  readonly askStatus: (store: string) => Promise<AgentStatus | undefined>;
}

const STATUS_EVERY_MS = 500;
const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));

export class Demo {
  readonly #options: DemoOptions;
  readonly #observer: Observer;
  /** How to end what has been started, in order of its start. */
  readonly #closers: (() => Promise<unknown>)[] = [];
  #agent: AgentProcess | undefined;
  #asking = false;

  constructor(options: DemoOptions) {
    this.#options = options;
    this.#observer = {
      emit: ({ level, message }) => {
        if (level === "error") this.#note("demo", message);
      },
    };
  }

  /**
   * Runs until `ending`.
   * @returns whether the agent ended in good order
   * @throws WeirError when it cannot start, or ends by itself
   */
  async run(): Promise<boolean> {
    try {
      const { workspace, agent } = await this.#start();
      const enough = Promise.race([this.#options.ending, this.#timeIsUp()]);
      const early = await Promise.race([enough.then(() => false), agent.ended.then(() => true)]);
      if (early) throw new WeirError("demo-agent-failed", `the agent has ended:\n${agent.lastLines}`);
      await this.#close(2);
      await this.#readStatus(workspace);
      return await agent.stop();
    } finally {
      await this.#close(0);
    }
  }

  /** Ends the agent without asking, for when there is no time to. */
  kill(): void {
    this.#agent?.kill();
  }

  /** The time it takes to start does not count. */
  #timeIsUp(): Promise<void> {
    const { seconds, timers } = this.#options;
    return new Promise((resolve) => {
      if (seconds !== undefined) timers.after(seconds * 1_000, resolve);
    });
  }

  async #start(): Promise<{ readonly workspace: Workspace; readonly agent: AgentProcess }> {
    const { folder, env, timers, clock, random, view, display } = this.#options;
    const parts = { timers, clock, random, observer: this.#observer };
    const cloud = new DemoCloud((summary, json) => {
      const news = view.takeSummary(summary);
      display.summary(summary, json);
      if (news !== undefined) this.#note(summary.device, news);
    }, parts);
    const upstream = await cloud.start();
    this.#closers.push(() => cloud.stop());
    const port = join(folder, "serial-port");
    const line = await SerialLine.open(port, timers);
    this.#closers.push(async () => line?.close());
    const meter = serialMeter();
    const workspace = fillWorkspace(folder, {
      upstream,
      serial: line === undefined ? undefined : { port, device: meter.device, profile: meter.profile },
    });
    const onEvent = (event: AgentEvent): void => this.#onAgentEvent(event);
    const agent = new AgentProcess({ config: workspace.config, env, timers, onEvent });
    this.#agent = agent;
    const brokerPort = await agent.started();
    const world = { ...parts, note: (device: string, text: string) => this.#note(device, text) };
    const scripts = mqttScripts();
    for (const script of line === undefined ? scripts : [...scripts, meter]) view.expect(script);
    const devices = scripts.map(
      (script) =>
        new SimulatedDevice(script, new MqttWire(script, `mqtt://127.0.0.1:${brokerPort}`, parts), world),
    );
    if (line === undefined) this.#note("demo", "there is no socat, so no device is on a serial port");
    else devices.push(new SimulatedDevice(meter, new SerialWire(line), world));
    this.#closers.push(() => Promise.all(devices.map((device) => device.stop())));
    const asking = timers.every(STATUS_EVERY_MS, () => void this.#readStatus(workspace));
    this.#closers.push(async () => asking.cancel());
    display.ready(doorOf(workspace, agent, brokerPort));
    return { workspace, agent };
  }

  /** Ends, last one first, until `left` are left. */
  async #close(left: number): Promise<void> {
    if (left === 0) this.kill();
    while (this.#closers.length > left) await this.#closers.pop()!();
  }

  async #readStatus({ store }: Workspace): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const status = await this.#options.askStatus(store);
      if (status !== undefined) this.#options.view.takeStatus(status);
    } finally {
      this.#asking = false;
    }
  }

  #onAgentEvent({ level, event, msg, ...fields }: AgentEvent): void {
    if (event === "device-status") this.#note("agent", `${fields.device} says it is ${fields.state}`);
    else if (level === "warn" || level === "error") {
      this.#note("agent", [msg, fields.detail, fields.error].filter((text) => text !== undefined).join(": "));
    }
  }

  #note(who: string, text: string): void {
    const note = { atMs: this.#options.clock.wallMs(), who, text };
    this.#options.view.note(note);
    this.#options.display.note(note);
  }
}

/** Where a file of the package is, as seen from here. */
export function packagePath(path: string): string {
  const near = relative("", join(PACKAGE, path));
  return near.startsWith("..") ? join(PACKAGE, path) : near;
}

function doorOf({ config }: Workspace, { pid = 0 }: AgentProcess, port: number): Door {
  return {
    pid,
    join: `npx mqtt pub -p ${port} -q 1 -t sensors/me -m '{"temperature": 21.4}'`,
    look: `node ${packagePath("dist/main.js")} log -c ${config} --follow`,
  };
}
