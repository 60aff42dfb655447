import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../../src/cli/commands.js";
import { dispatch } from "../../src/cli/dispatch.js";
import { Engine } from "../../src/engine/engine.js";
import type { EngineProfile } from "../../src/model/profile.js";
import { canonicalJson, type Summary } from "../../src/model/summary.js";
import { testIo } from "./cli.js";
import { BlockMaker, type TestReading } from "./engine.js";

/** What gateways write, and what `weir merge` makes of it. */

/** Every revision that a gateway writes, as JSON, in the order in which its readings come. */
export function linesOf(profile: EngineProfile, gateway: string, readings: readonly TestReading[]): string[] {
  const engine = new Engine({ gateway, devicesMax: 100 });
  engine.addProfile(profile);
  const blocks = new BlockMaker(profile);
  const summaries = readings.flatMap((reading) => engine.apply(blocks.block([reading])));
  return [...summaries, ...engine.flush()].map(canonicalJson);
}

/** The profile with partials in all of its windows. */
export function withPartials(profile: EngineProfile): EngineProfile {
  return { ...profile, windows: profile.windows.map((window) => ({ ...window, partials: true })) };
}

export interface Merged {
  readonly code: number;
  readonly lines: readonly string[];
  readonly summaries: readonly Summary[];
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `weir merge` on files named `0.jsonl`, `1.jsonl` and so on. */
export async function merge(
  files: readonly (readonly string[])[],
  args: readonly string[] = [],
): Promise<Merged> {
  const into = await mkdtemp(join(tmpdir(), "weir-merge-"));
  try {
    return await mergeIn(into, files, args);
  } finally {
    await rm(into, { recursive: true, force: true });
  }
}

async function mergeIn(
  into: string,
  files: readonly (readonly string[])[],
  args: readonly string[],
): Promise<Merged> {
  const paths = files.map((_, i) => join(into, `${i}.jsonl`));
  for (const [i, lines] of files.entries()) {
    await writeFile(paths[i]!, lines.map((line) => `${line}\n`).join(""));
  }
  const { io, written } = testIo();
  const code = await dispatch(["merge", ...args, ...paths], io, COMMANDS);
  const lines = written.stdout.split("\n").filter((line) => line !== "");
  const summaries = lines.map((line) => JSON.parse(line) as Summary);
  const stderr = written.stderr.replaceAll(`${into}/`, "");
  return { code, lines, summaries, stdout: written.stdout, stderr };
}

/** `fields` as JSON, by `device/size/start`, where the window's own name is that of its size. */
export function bodiesOf({ summaries }: Merged): Map<string, string> {
  const bodies = new Map<string, string>();
  for (const { device, window, fields } of summaries) {
    const name = window.name.slice(window.name.indexOf("~") + 1);
    const start = window.start === undefined ? "" : String(Date.parse(window.start));
    const key = `${device}/${name}/${start}`;
    if (bodies.has(key)) throw new Error(`two summaries for ${key}`);
    bodies.set(key, JSON.stringify(fields));
  }
  return bodies;
}
