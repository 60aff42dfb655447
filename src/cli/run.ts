import { Agent } from "../agent/agent.js";
import { type Bounds, boundsOf, sumText } from "../config/bounds.js";
import type { Config } from "../config/load.js";
import { type Diagnostic, formatDiagnostic } from "../model/diagnostic.js";
import { messageOf, WeirError } from "../model/errors.js";
import { defineEvent } from "../model/log-event.js";
import { createCounters } from "../observe/counters.js";
import { createLogger } from "../observe/logger.js";
import { type ClosableObserver, createObserver } from "../observe/observer.js";
import { systemClock, systemRandom, systemTimers } from "../system/clock.js";
import { keepHeapSmall } from "../system/heap.js";
import { createServiceManager, type ServiceManager } from "../system/sd-notify.js";
import { handleSignals } from "../system/signals.js";
import { type AgentFiles, readAgentFiles } from "./agent-files.js";
import { type CommandIo, defineCommand, EXIT } from "./command.js";
import { checkRoom } from "./disk-room.js";
import { version } from "./dispatch.js";
import { Ending } from "./ending.js";

/** `weir run`: the agent in the foreground, as systemd or a terminal starts it. */
const started = defineEvent<{
  readonly version: string;
  readonly gateway: string;
  readonly sources: string;
  readonly targets: string;
  readonly memoryBytesMax: number;
  readonly diskBytesMax: number;
}>("agent-started", "info", "taking readings");
const addedUp = defineEvent<{ readonly memory: string; readonly disk: string }>(
  "bounds-added-up",
  "info",
  "what the config lets the agent use at most",
);
const stopped = defineEvent<{ readonly reason: string }>(
  "agent-stopped",
  "info",
  "everything taken in is committed",
);
const cutShort = defineEvent<{ readonly reason: string }>(
  "agent-cut-short",
  "warn",
  "the end came before everything taken in was committed; none of the rest was acknowledged, and what came by QoS 0 or a serial port of it is lost",
);
const stoppedStarting = defineEvent<{ readonly reason: string }>(
  "agent-stopped-starting",
  "warn",
  "the end came before the start was complete; nothing that was acknowledged is lost",
);
const fatal = defineEvent<{ readonly code: string; readonly error: string; readonly stack: string }>(
  "agent-failed",
  "error",
  "the agent has to end; it acknowledges nothing more",
);
const fileProblem = defineEvent<{ readonly problem: string }>(
  "file-problem",
  "error",
  "a file needs mending",
  { answer: true },
);
const reloaded = defineEvent<{ readonly problems: number }>(
  "reloaded",
  "info",
  "config and profiles were read again",
  { answer: true },
);
const reloadRefused = defineEvent<{ readonly problems: number }>(
  "reload-refused",
  "error",
  "the config is wrong, or there is no profile; config and profiles in force stay",
  { answer: true },
);

export const command = defineCommand({
  name: "run",
  usage: "-c weir.yaml",
  about: [
    "Runs the agent in the foreground. SIGTERM and SIGINT commit what was taken in, checkpoint and end within five",
    "seconds; SIGHUP reads config and profiles again and keeps the old ones where the new are wrong. The log goes to",
    "standard error.",
  ].join("\n"),
  examples: [
    { line: "weir run -c /etc/weir/weir.yaml", does: "What the systemd unit does" },
    { line: "systemctl reload weir", does: "Read config and profiles again (SIGHUP)" },
  ],
  options: {
    config: {
      type: "string",
      short: "c",
      placeholder: "FILE",
      default: "weir.yaml",
      help: "The gateway's config",
    },
  },
  async run({ values }, io) {
    keepHeapSmall();
    const ending = new Ending(systemTimers);
    let reload = () => Promise.resolve();
    // From the first moment on: the default of SIGHUP is to end the process, without a word.
    const unlisten = handleSignals({
      stop: (signal) => ending.stop(signal),
      reload: () => ending.inTurn(() => reload()),
    });
    try {
      const files = readAgentFiles(values.config, io.env);
      if (files.config === undefined) {
        printProblems(files.diagnostics, io);
        return EXIT.usage;
      }
      const service = new Service(values.config, files.config, io, ending);
      reload = () => service.reload();
      return await service.serve(files);
    } finally {
      unlisten();
    }
  },
});

function printProblems(diagnostics: readonly Diagnostic[], io: CommandIo): void {
  for (const diagnostic of diagnostics) io.stderr.write(`${formatDiagnostic(diagnostic)}\n`);
}

/** The agent as a service: its start, its reloads and its end. */
class Service {
  readonly #file: string;
  readonly #config: Config;
  readonly #io: CommandIo;
  readonly #ending: Ending;
  readonly #counters = createCounters();
  readonly #observer: ClosableObserver;
  readonly #manager: ServiceManager;
  #agent: Agent | undefined;

  constructor(file: string, config: Config, io: CommandIo, ending: Ending) {
    this.#file = file;
    this.#config = config;
    this.#io = io;
    this.#ending = ending;
    const log = createLogger({
      ...config.log,
      clock: systemClock,
      write: (line) => io.stderr.write(line),
      journald: io.env.JOURNAL_STREAM !== undefined,
    });
    this.#observer = createObserver({ log, counters: this.#counters, timers: systemTimers });
    this.#manager = createServiceManager({ env: io.env, timers: systemTimers, observer: this.#observer });
  }

  /** @returns the exit code, when the agent has ended */
  async serve(files: AgentFiles): Promise<number> {
    let startFailure: { readonly error: unknown } | undefined;
    this.#ending.start(() =>
      this.#start(files).catch((error: unknown) => {
        startFailure = { error };
        throw error;
      }),
    );
    const reason = await this.#ending.reason;
    if (startFailure !== undefined) {
      this.#observer.close();
      throw startFailure.error;
    }
    return reason.failed ? this.#failed(reason.error) : await this.#stop(reason.signal);
  }

  async #start(files: AgentFiles): Promise<void> {
    this.#report(files.diagnostics);
    const agent = await Agent.start({
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      observer: this.#observer,
      counters: this.#counters,
      ...files,
      config: this.#config,
      onFatal: (error) => this.#ending.fail(error),
    });
    this.#agent = agent;
    const bounds = boundsOf(this.#config);
    this.#observer.emit(addedUp, { memory: sumText(bounds, "memory"), disk: sumText(bounds, "disk") });
    await checkRoom(this.#config, agent.status().store.databaseBytes, this.#observer);
    this.#observer.emit(started, facts(this.#config, bounds));
    await this.#manager.ready("running");
    this.#manager.watch(() => agent.healthy());
  }

  async reload(): Promise<void> {
    const agent = this.#agent;
    if (agent === undefined) return;
    await this.#manager.reloading();
    const next = readAgentFiles(this.#file, this.#io.env, this.#config.gateway);
    this.#report(next.diagnostics);
    const { config, diagnostics } = next;
    if (config === undefined || next.brokenProfiles === "all" || agent.wouldHaveNone({ ...next, config })) {
      this.#observer.emit(reloadRefused, { problems: diagnostics.length });
    } else {
      await agent.reload({ ...next, config });
      this.#observer.emit(reloaded, { problems: diagnostics.length });
    }
    await this.#manager.ready("running");
  }

  #report(diagnostics: readonly Diagnostic[]): void {
    for (const diagnostic of diagnostics) {
      this.#observer.emit(fileProblem, { problem: formatDiagnostic(diagnostic) });
    }
  }

  #failed(error: unknown): number {
    const code = error instanceof WeirError ? error.code : "unexpected";
    const stack = error instanceof Error ? (error.stack ?? "") : "";
    this.#observer.emit(fatal, { code, error: messageOf(error), stack });
    this.#observer.close();
    return EXIT.failure;
  }

  async #stop(signal: string): Promise<number> {
    const agent = this.#agent;
    if (agent === undefined) {
      // Recovery writes nothing that a crash in the middle of it would not leave in order.
      this.#observer.emit(stoppedStarting, { reason: signal });
      this.#observer.close();
      return EXIT.failure;
    }
    await this.#manager.stopping("committing and checkpointing");
    const complete = await agent.stop();
    this.#observer.emit(complete ? stopped : cutShort, { reason: signal });
    await this.#manager.close();
    this.#observer.close();
    return complete ? EXIT.ok : EXIT.failure;
  }
}

function facts(config: Config, bounds: Bounds) {
  return {
    version: version(),
    gateway: config.gateway.id,
    sources: config.sources.map(({ name }) => name).join(" "),
    targets: config.targets.map(({ name }) => name).join(" "),
    memoryBytesMax: bounds.memoryBytes,
    diskBytesMax: bounds.diskBytes,
  };
}
