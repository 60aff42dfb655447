import { PassThrough, Readable } from "node:stream";
import type { CommandIo } from "../../src/cli/command.js";

/** A command's surroundings in memory, and what it wrote to them. */
export function testIo(input = "", env: NodeJS.ProcessEnv = {}) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const written = { stdout: "", stderr: "" };
  stdout.setEncoding("utf8").on("data", (text: string) => {
    written.stdout += text;
  });
  stderr.setEncoding("utf8").on("data", (text: string) => {
    written.stderr += text;
  });
  const io: CommandIo = { stdin: Readable.from([input]), stdout, stderr, env };
  return { io, written };
}
