#!/usr/bin/env node
/**
 * From the command line to the exit code. This is the only file that ends the process, and the last line of defence:
 * what nobody caught is printed and ends in exit code 1, so that a supervisor starts the agent anew from its store
 * rather than letting it go on in an unknown state.
 */
import { COMMANDS } from "./cli/commands.js";
import { dispatch } from "./cli/dispatch.js";
import { messageOf } from "./model/errors.js";

function fatal(kind: string, error: unknown): never {
  end(kind, error instanceof Error && error.stack !== undefined ? error.stack : messageOf(error));
}

function end(kind: string, message: string): never {
  process.stderr.write(`level=error event=${kind} msg=${JSON.stringify(message)}\n`);
  process.exit(1);
}

process.on("uncaughtException", (error) => fatal("uncaught-exception", error));
process.on("unhandledRejection", (reason) => fatal("unhandled-rejection", reason));

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader has gone, as with `weir log | head`: nobody is left to write for.
  if (error.code === "EPIPE") process.exit(0);
  // A full disk behind a redirection, say: where in the code it was met tells nobody anything.
  end("output-failed", error.message);
});
// An agent that cannot log any more still has readings to keep.
process.stderr.on("error", () => undefined);

// While the agent is loaded, too: it reads config and profiles after this, which is what SIGHUP asks for.
if (process.argv[2] === "run") process.on("SIGHUP", () => undefined);

const { stdin, stdout, stderr, env } = process;
const code = await dispatch(process.argv.slice(2), { stdin, stdout, stderr, env }, COMMANDS);

// A pipe may still hold what was written; exiting before it has gone out would cut it off.
stdout.write("", (error) => {
  // Where it cannot go out, the listener to that error ends the process.
  if (!error) stderr.write("", () => process.exit(code));
});
