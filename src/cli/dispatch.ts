import { readFileSync } from "node:fs";
import { messageOf, WeirError } from "../model/errors.js";
import { nearest } from "../model/nearest.js";
import { type CommandEntry, type CommandIo, EXIT, usageError } from "./command.js";
import { commandHelp, overview } from "./help.js";

/**
 * Runs one command line.
 * @param args without the runtime and the program: `["run", "-c", "weir.yaml"]`
 * @returns the exit code; every error has been printed with what to do about it
 */
export async function dispatch(
  args: readonly string[],
  io: CommandIo,
  commands: readonly CommandEntry[],
): Promise<number> {
  try {
    return await choose(args, io, commands);
  } catch (error) {
    return report(error, io);
  }
}

async function choose(
  args: readonly string[],
  io: CommandIo,
  commands: readonly CommandEntry[],
): Promise<number> {
  const [first, ...rest] = args;
  if (first === undefined) {
    io.stderr.write(overview(commands));
    return EXIT.usage;
  }
  if (first === "--version" || first === "-V") {
    io.stdout.write(`weir ${version()}\n`);
    return EXIT.ok;
  }
  if (first === "help" || first === "--help" || first === "-h") {
    io.stdout.write(await helpFor(rest[0], commands));
    return EXIT.ok;
  }
  const entry = findCommand(first, commands);
  const command = await entry.load();
  const optionsEnd = rest.indexOf("--");
  const options = optionsEnd < 0 ? rest : rest.slice(0, optionsEnd);
  if (options.includes("--help") || options.includes("-h")) {
    io.stdout.write(commandHelp(command));
    return EXIT.ok;
  }
  return command.execute(rest, io);
}

async function helpFor(name: string | undefined, commands: readonly CommandEntry[]): Promise<string> {
  if (name === undefined || name === "help") return overview(commands);
  return commandHelp(await findCommand(name, commands).load());
}

function findCommand(name: string, commands: readonly CommandEntry[]): CommandEntry {
  const found = commands.find((entry) => entry.name === name);
  if (found !== undefined) return found;
  const what = name.startsWith("-") ? "option" : "command";
  const known = commands.map((entry) => entry.name);
  const guess = nearest(name, what === "option" ? ["--help", "--version"] : [...known, "help"]);
  throw usageError(
    `unknown ${what} '${name}'`,
    guess === undefined ? `commands: ${known.join(", ")}, help` : `did you mean ${guess}?`,
  );
}

/** What is for a person to put right: trying again would not help. */
const USAGE_CODES: ReadonlySet<string> = new Set(["bad-usage", "no-profiles"]);

/** Prints what a person can act on; a stack only for what is not Weir's own, for then it is a defect. */
function report(error: unknown, io: CommandIo): number {
  io.stderr.write(`weir: ${messageOf(error)}\n`);
  if (error instanceof WeirError) {
    if (error.hint !== undefined) io.stderr.write(`  ${error.hint}\n`);
    return USAGE_CODES.has(error.code) ? EXIT.usage : EXIT.failure;
  }
  if (error instanceof Error && error.stack !== undefined) io.stderr.write(`${error.stack}\n`);
  return EXIT.failure;
}

/** The version of the package this file belongs to. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const found = (manifest as { readonly version?: unknown }).version;
  return typeof found === "string" ? found : "unknown";
}
