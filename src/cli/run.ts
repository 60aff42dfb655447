import { Agent } from "../agent/agent.js";
import { boundsOf } from "../config/bounds.js";
import type { Config } from "../config/load.js";
import { type Diagnostic, formatDiagnostic } from "../model/diagnostic.js";
import { messageOf, WeirError } from "../model/errors.js";
import { defineEvent } from "../model/log-event.js";
import { createCounters } from "../observe/counters.js";
import { createLogger } from "../observe/logger.js";
import { createObserver } from "../observe/observer.js";
import { systemClock, systemRandom, systemTimers } from "../system/clock.js";
import { createServiceManager } from "../system/sd-notify.js";
import { handleSignals } from "../system/signals.js";
import { type AgentFiles, readAgentFiles } from "./agent-files.js";
import { type CommandIo, defineCommand, EXIT } from "./command.js";
import { checkRoom } from "./disk-room.js";
import { version } from "./dispatch.js";

/** `weir run`: the agent in the foreground, as systemd or a terminal starts it. */
const started = defineEvent<{
  readonly version: string;
  readonly gateway: string;
  readonly sources: string;
  readonly targets: string;
  readonly memoryBytesMax: number;
  readonly diskBytesMax: number;
}>("agent-started", "info", "taking readings");
const stopped = defineEvent<{ readonly reason: string; readonly complete: boolean }>(
  "agent-stopped",
  "info",
  "everything taken in is committed",
);
const fatal = defineEvent<{ readonly code: string; readonly error: string; readonly stack: string }>(
  "agent-failed",
  "error",
  "the agent has to end; nothing that was acknowledged is lost",
);
const fileProblem = defineEvent<{ readonly problem: string }>(
  "file-problem",
  "error",
  "a file needs mending",
);
const reloaded = defineEvent<{ readonly problems: number }>(
  "reloaded",
  "info",
  "config and profiles were read again",
);
const reloadRefused = defineEvent<{ readonly problems: number }>(
  "reload-refused",
  "error",
  "the config is wrong; the one in force stays",
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
    const files = readAgentFiles(values.config, io.env);
    if (files.config === undefined) {
      printProblems(files.diagnostics, io);
      return EXIT.usage;
    }
    return await serve(values.config, { ...files, config: files.config }, io);
  },
});

function printProblems(diagnostics: readonly Diagnostic[], io: CommandIo): void {
  for (const diagnostic of diagnostics) io.stderr.write(`${formatDiagnostic(diagnostic)}\n`);
}

async function serve(
  file: string,
  files: AgentFiles & { readonly config: Config },
  io: CommandIo,
): Promise<number> {
  const { config } = files;
  const log = createLogger({
    ...config.log,
    clock: systemClock,
    write: (line) => io.stderr.write(line),
    journald: io.env.JOURNAL_STREAM !== undefined,
  });
  const counters = createCounters();
  const observer = createObserver({ log, counters, timers: systemTimers });
  const manager = createServiceManager({ env: io.env, timers: systemTimers, observer });
  const report = (diagnostics: readonly Diagnostic[]) => {
    for (const diagnostic of diagnostics)
      observer.emit(fileProblem, { problem: formatDiagnostic(diagnostic) });
  };
  report(files.diagnostics);
  const ending = new Ending();
  const world = { clock: systemClock, timers: systemTimers, random: systemRandom, observer, counters };
  const agent = await Agent.start({ ...world, ...files, onFatal: (error) => ending.fail(error) });
  await checkRoom(config, agent.status().store.databaseBytes, observer);
  observer.emit(started, facts(config));
  const reload = async () => {
    await manager.reloading();
    const next = readAgentFiles(file, io.env);
    report(next.diagnostics);
    if (next.config === undefined) observer.emit(reloadRefused, { problems: next.diagnostics.length });
    else {
      await agent.reload({ ...next, config: next.config });
      observer.emit(reloaded, { problems: next.diagnostics.length });
    }
    await manager.ready("running");
  };
  const unlisten = handleSignals({
    stop: (signal) => ending.stop(signal),
    reload: () => ending.inTurn(reload),
  });
  await manager.ready("running");
  manager.watch(() => agent.healthy());
  const reason = await ending.reason;
  if (reason.failed) {
    const { error } = reason;
    const code = error instanceof WeirError ? error.code : "unexpected";
    observer.emit(fatal, {
      code,
      error: messageOf(error),
      stack: error instanceof Error ? (error.stack ?? "") : "",
    });
    observer.close();
    return EXIT.failure;
  }
  await manager.stopping("committing and checkpointing");
  const complete = await agent.stop();
  observer.emit(stopped, { reason: reason.signal, complete });
  unlisten();
  await manager.close();
  observer.close();
  return complete ? EXIT.ok : EXIT.failure;
}

function facts(config: Config) {
  const bounds = boundsOf(config);
  return {
    version: version(),
    gateway: config.gateway.id,
    sources: config.sources.map(({ name }) => name).join(" "),
    targets: config.targets.map(({ name }) => name).join(" "),
    memoryBytesMax: bounds.memoryBytes,
    diskBytesMax: bounds.diskBytes,
  };
}

type Reason =
  | { readonly failed: false; readonly signal: string }
  | { readonly failed: true; readonly error: unknown };

/** A reload waits for the commit before it, and that for a disk that may be full; an end must not. */
const RELOAD_MS_MAX = 1_000;

/** Why the agent ends, and the order of reloads: one after the other, none after the end has begun. */
class Ending {
  #end: (reason: Reason) => void = () => {};
  readonly reason = new Promise<Reason>((resolve) => {
    this.#end = resolve;
  });
  #turn: Promise<void> = Promise.resolve();
  #ended = false;

  /** Asking again changes nothing: the end is complete within five seconds anyway. */
  stop(signal: string): void {
    this.#ended = true;
    const end = () => this.#end({ failed: false, signal });
    systemTimers.after(RELOAD_MS_MAX, end);
    void this.#turn.then(end);
  }

  fail(error: unknown): void {
    this.#ended = true;
    this.#end({ failed: true, error });
  }

  inTurn(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(async () => {
      if (!this.#ended) await work();
    });
    this.#turn.catch((error: unknown) => this.fail(error));
  }
}
