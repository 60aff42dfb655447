import { WeirError } from "../model/errors.js";
import type { Command } from "./command.js";

/** One line of `weir help`. The command itself is loaded only when it is used, so that help is instant. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

/** Every command, in the order in which help lists them. */
export const COMMANDS: readonly CommandEntry[] = [
  entry("run", "Run the agent in the foreground"),
  entry("check", "Check config and profiles, and run the tests inside the profiles"),
  entry("replay", "Run recorded payloads through a profile and print the summaries"),
  entry("log", "Print the summaries of a running or stopped agent"),
];

function entry(name: string, summary: string): CommandEntry {
  return { name, summary, load: () => loadCommand(name) };
}

/** Each command is `cli/NAME.ts` and exports `command`. */
async function loadCommand(name: string): Promise<Command> {
  const module = (await import(`./${name}.js`)) as { readonly command?: Command };
  if (module.command?.name !== name) {
    throw new WeirError("broken-build", `cli/${name}.js does not export the command '${name}'`, {
      hint: "build Weir again",
    });
  }
  return module.command;
}
