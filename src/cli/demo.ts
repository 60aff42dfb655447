import type { AgentStatus } from "../agent/status.js";
import { localApiPath } from "../dashboard/api.js";
import { Demo, packagePath } from "../demo/demo.js";
import { createDisplay, isTerminal } from "../demo/display.js";
import { chooseStyle, type Style } from "../demo/style.js";
import { renderRows, renderTotals } from "../demo/table.js";
import { View } from "../demo/view.js";
import { createFolder, removeFolder } from "../demo/workspace.js";
import { systemClock, systemRandom, systemTimers } from "../system/clock.js";
import { handleSignals } from "../system/signals.js";
import { askAgent } from "./agent-client.js";
import { type CommandIo, defineCommand, EXIT, usageError } from "./command.js";

/** `weir demo`: what `scripts/demo` runs once everything is installed and built. */
const SECONDS_MAX = 86_400;
const PAGE_WIDTH = 120;

export const command = defineCommand({
  name: "demo",
  usage: "[--seconds N] [--json]",
  about: [
    "Shows Weir at work: a real agent on the example config, with a store in a temporary folder; devices that publish",
    "to its broker over TCP and, where socat is installed, one on a serial port, each with a habit that real devices",
    "have (duplicates, wrong order, impossible values, a late burst, a sudden death); and a second broker that stands",
    "in for the cloud. A table shows the summaries that arrive there, and what was rejected and why.",
    "\n\nThe profiles are those that ship, with windows of five seconds. Ctrl-C ends it. Nothing is left behind.",
  ]
    .join(" ")
    .replaceAll(" \n\n", "\n\n"),
  examples: [
    { line: "weir demo", does: "watch until Ctrl-C" },
    { line: "weir demo --seconds 30 --json | jq .quality", does: "half a minute of summaries as JSON lines" },
  ],
  options: {
    seconds: { type: "string", placeholder: "N", help: "End after so many seconds, with exit code 0" },
    json: {
      type: "boolean",
      help: "Print the summaries that arrive upstream as JSON lines, and nothing else",
    },
  },
  async run({ values }, io) {
    const seconds = values.seconds === undefined ? undefined : parseSeconds(values.seconds);
    return await show({ seconds, json: values.json === true }, io);
  },
});

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== "" && seconds > 0 && seconds <= SECONDS_MAX) return seconds;
  throw usageError(`--seconds takes a number of at most ${SECONDS_MAX}, not '${text}'`, "weir help demo");
}

async function show(
  { seconds, json }: { readonly seconds: number | undefined; readonly json: boolean },
  io: CommandIo,
): Promise<number> {
  const world = { clock: systemClock, timers: systemTimers, random: systemRandom, env: io.env };
  const folder = createFolder();
  const view = new View();
  const display = createDisplay(json, { ...world, view, stdout: io.stdout });
  const ending = endingOf(() => demo.kill());
  const demo = new Demo({ ...world, folder, view, display, seconds, ending: ending.reached, askStatus });
  // For ends that skip everything else: a reader of the output that has gone, a defect.
  const atExit = (): void => {
    demo.kill();
    display.close();
    removeFolder(folder);
  };
  process.once("exit", atExit);
  try {
    const complete = await demo.run();
    display.close();
    if (!json) io.stdout.write(lastPage(view, complete, io));
    return complete ? EXIT.ok : EXIT.failure;
  } finally {
    display.close();
    ending.forget();
    removeFolder(folder);
    process.off("exit", atExit);
  }
}

/** The first signal ends the demo; whoever asks again does not want to wait for the agent. */
function endingOf(hurry: () => void) {
  let end: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    end = resolve;
  });
  const forget = handleSignals({
    stop: (_, times) => (times === 1 ? end() : hurry()),
    // The terminal was closed.
    reload: () => end(),
  });
  return { reached, forget };
}

async function askStatus(store: string): Promise<AgentStatus | undefined> {
  const response = await askAgent(localApiPath(store), "/status");
  if (response === undefined) return undefined;
  return JSON.parse((await response.setEncoding("utf8").toArray()).join("")) as AgentStatus;
}

function lastPage(view: View, complete: boolean, io: CommandIo): string {
  const terminal = isTerminal(io.stdout, io.env) ? io.stdout : undefined;
  const style = chooseStyle(terminal !== undefined, io.env);
  const options = { width: terminal?.columns ?? PAGE_WIDTH, nowMs: systemClock.wallMs(), style };
  return [
    "",
    ...renderRows(view.rows, options),
    "",
    ...renderTotals(view, options),
    complete
      ? "All of it ended in good order, and the temporary store is removed."
      : style.warn("The agent did not end in time and was killed; the temporary store is removed."),
    "",
    style.bold("Where to go next"),
    ...nextLines(style),
    "",
    "",
  ].join("\n");
}

const NEXT = [
  ["README.md", "your first sensor in five minutes"],
  ["device-profiles", "copy the profile that is nearest to your device"],
  ["systemd/weir.example.yaml", "the config that this demo ran on, with comments"],
  ["src/config/REFERENCE.md", "every key of the config"],
] as const;

function nextLines(style: Style): string[] {
  const lines = NEXT.map(([path, what]) => ({ path: packagePath(path), what }));
  const width = Math.max(...lines.map(({ path }) => path.length));
  return lines.map(({ path, what }) => `  ${style.name(path.padEnd(width))}  ${what}`);
}
