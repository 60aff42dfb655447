import { localApiPath } from "../dashboard/api.js";
import { type LogQuery, streamLog } from "../dashboard/log-stream.js";
import { formatDiagnostic } from "../model/diagnostic.js";
import { formatInstant } from "../model/time.js";
import { askAgent } from "./agent-client.js";
import { type CommandIo, defineCommand, EXIT } from "./command.js";
import { writeText } from "./output.js";
import { parseSince } from "./since.js";

/** `weir log`: of a running agent through its socket, of a stopped one from its store. */
export const command = defineCommand({
  name: "log",
  usage: "[-c FILE] [--device NAME] [--since TIME] [--follow]",
  about:
    "Prints summaries, oldest first, as JSON lines on standard output. Every revision is printed; the one with the " +
    "highest number is the truth, and `final` says that no other will follow.\n\nIt asks the running agent, or " +
    "reads the store of one that is stopped.",
  examples: [
    { line: "weir log --since 2h --device boiler-3", does: "what boiler-3 did in the last two hours" },
    { line: "weir log --follow", does: "go on with new summaries as they come" },
    {
      line: "weir log -c /etc/weir/weir.yaml --since 2026-01-14T00:00:00Z | jq .fields",
      does: "the measurements since a point in time",
    },
  ],
  options: {
    config: {
      type: "string",
      short: "c",
      placeholder: "FILE",
      default: "weir.yaml",
      help: "The agent's config",
    },
    device: { type: "string", short: "d", placeholder: "NAME", help: "Only of this device" },
    since: {
      type: "string",
      short: "s",
      placeholder: "TIME",
      help: "Only of windows that end after this: a time (RFC 3339) or how long ago (2h)",
    },
    follow: { type: "boolean", short: "f", help: "Go on with new ones until interrupted" },
  },
  async run({ values }, io) {
    const query: LogQuery = {
      device: values.device,
      sinceMs: values.since === undefined ? undefined : parseSince(values.since, Date.now()),
      follow: values.follow,
    };
    const { readStorePath } = await import("../config/store-path.js");
    const { path, diagnostics } = readStorePath(values.config, io.env);
    if (path === undefined) {
      for (const each of diagnostics) io.stderr.write(`${formatDiagnostic(each)}\n`);
      return EXIT.usage;
    }
    if (await printRunning(path, query, io)) return EXIT.ok;
    await printStopped(path, query, io);
    return EXIT.ok;
  },
});

/** @returns false when no agent is running */
async function printRunning(storePath: string, query: LogQuery, io: CommandIo): Promise<boolean> {
  const parameters = new URLSearchParams();
  if (query.device !== undefined) parameters.set("device", query.device);
  if (query.sinceMs !== undefined) parameters.set("since", formatInstant(query.sinceMs));
  if (query.follow === true) parameters.set("follow", "1");
  const response = await askAgent(localApiPath(storePath), `/log?${parameters}`);
  if (response === undefined) return false;
  try {
    for await (const chunk of response.setEncoding("utf8")) await writeText(io.stdout, chunk as string);
  } catch (error) {
    // Its end cuts the answer off in the middle of what it was sending.
    if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
    io.stderr.write("weir: the agent has stopped\n");
  }
  return true;
}

/** Opening the database is only worth its loading time when there is nobody to ask. */
async function printStopped(storePath: string, query: LogQuery, io: CommandIo): Promise<void> {
  const { becomeOwnerOf } = await import("../system/privileges.js");
  const { systemClock, systemTimers } = await import("../system/clock.js");
  const { inspectSummaryLog } = await import("../store/inspect.js");
  becomeOwnerOf(storePath);
  const { log, close } = await inspectSummaryLog({
    path: storePath,
    clock: systemClock,
    timers: systemTimers,
    observer: {
      emit: ({ message }, fields) => io.stderr.write(`weir: ${message}: ${JSON.stringify(fields)}\n`),
    },
  });
  try {
    await streamLog({
      ...query,
      follow: false,
      log,
      signal: new AbortController().signal,
      write: (lines) => writeText(io.stdout, lines),
    });
  } finally {
    await close();
  }
  if (query.follow === true) io.stderr.write("weir: no agent is running, so there is nothing to follow\n");
}
