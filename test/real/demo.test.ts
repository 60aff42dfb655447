import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { REJECT_REASONS } from "../../src/model/reasons.js";
import type { Summary } from "../../src/model/summary.js";
import { describeWithTools, findTool, temporaryFolder, until } from "../helpers/tools.js";

const MAIN = resolve("dist/main.js");
const ESCAPE = "\x1b";
const HAS_PROC = existsSync("/proc/self/cmdline");
const COLOUR = new RegExp(`${ESCAPE}\\[[0-9;]*m`);

/** Starts the demo with a temporary folder of its own, so that what it leaves behind can be seen. */
async function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const folder = await temporaryFolder();
  const child = spawn(command, args, { stdio: "pipe", env: { ...process.env, ...env, TMPDIR: folder } });
  onTestFinished(() => void child.kill("SIGKILL"));
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, ...output }));
  return { child, folder, output, ended };
}

const demo = (...args: readonly string[]) => start(process.execPath, [MAIN, "demo", ...args]);

/** Processes whose command line names the folder: the agent, and socat. */
function processesIn(folder: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(join("/proc", pid, "cmdline"), "utf8").includes(folder);
      } catch {
        // It has just ended.
        return false;
      }
    });
}

/** The demo's own folder, once the agent has opened its store there. */
async function agentIsUp(folder: string): Promise<void> {
  const isUp = (): boolean =>
    readdirSync(folder).some((name) => existsSync(join(folder, name, "store", "weir.sock")));
  await until(isUp, { what: "the agent answers" });
}

function expectNothingLeft(folder: string): void {
  expect(readdirSync(folder)).toEqual([]);
  if (HAS_PROC) expect(processesIn(folder)).toEqual([]);
}

describe("the demo", () => {
  beforeAll(() => {
    expect(existsSync(MAIN), "build first: npm run build").toBe(true);
  });

  it("sends true summaries of dirty devices upstream within 15 seconds, as JSON lines and nothing else", async () => {
    const { folder, ended } = await demo("--seconds", "14", "--json");
    const { code, stdout, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/\}\n$/);
    const summaries = stdout.trimEnd().split("\n");
    const parsed = summaries.map((line) => JSON.parse(line) as Summary);
    // Canonical bytes, as the agent sent them.
    expect(parsed.map((summary) => JSON.stringify(summary))).toEqual(summaries);
    const devices = ["boiler-3", "cellar", "fridge", "garage", "greenhouse", "kitchen/switch:0", "office"];
    const expected = [...devices, ...(findTool("socat") === undefined ? [] : ["meter-1"]), "weather"];
    expect([...new Set(parsed.map(({ device }) => device))].sort()).toEqual(expected.sort());
    const reasons = new Set(parsed.flatMap(({ quality }) => Object.keys(quality)));
    for (const reason of ["duplicate", "implausible", "outOfRange"]) expect(reasons).toContain(reason);
    for (const { id, quality } of parsed) {
      const rejected = REJECT_REASONS.reduce((sum, reason) => sum + (quality[reason] ?? 0), 0);
      expect([id, quality.received]).toEqual([id, quality.accepted + rejected]);
    }
    expectNothingLeft(folder);
  });

  it("writes plain lines where there is no terminal, and says where to go next", async () => {
    const { child, folder, output, ended } = await demo();
    await until(() => output.stdout.includes("rev 0;"), { what: "a summary is shown", timeoutMs: 30_000 });
    child.kill("SIGINT");
    const { code, stdout, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toBe(stripVTControlCharacters(stdout));
    expect(stdout).toMatch(/readings received = \d+ accepted \+ \d+ rejected/);
    expect(stdout).toMatch(/Where to go next\n {2}README\.md/);
    expectNothingLeft(folder);
  });

  it.runIf(HAS_PROC)("leaves nothing behind when whoever reads its output goes away", async () => {
    const { child, folder, ended } = await demo("--json");
    await agentIsUp(folder);
    child.stdout.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
    await until(() => processesIn(folder).length === 0, { what: "the agent has ended" });
    expectNothingLeft(folder);
  });

  it.runIf(HAS_PROC)("takes the agent along when it is killed itself", async () => {
    const { child, folder, ended } = await demo("--json");
    await agentIsUp(folder);
    expect(processesIn(folder)).not.toEqual([]);
    child.kill("SIGKILL");
    await ended;
    await until(() => processesIn(folder).length === 0, { what: "the agent has ended" });
  });

  it.runIf(HAS_PROC)(
    "says what is wrong when the agent ends by itself, and leaves nothing behind",
    async () => {
      const { folder, output, ended } = await demo();
      await until(() => output.stdout.includes("publish something"), { what: "the agent takes readings" });
      const agent = processesIn(folder).find((pid) =>
        readFileSync(join("/proc", pid, "cmdline"), "utf8").includes("main.js"),
      );
      process.kill(Number(agent), "SIGKILL");
      const { code, stderr } = await ended;
      expect(code).toBe(1);
      expect(stderr).toMatch(/^weir: the agent has ended:\n/);
      expectNothingLeft(folder);
    },
  );
});

describeWithTools(["script"], "the demo on a terminal", () => {
  const onTerminal = (env: NodeJS.ProcessEnv = {}) => {
    const command = `stty rows 30 columns 110; exec ${process.execPath} ${MAIN} demo`;
    return start("script", ["-qec", command, "/dev/null"], { TERM: "xterm-256color", ...env });
  };
  const endByKey = (child: ChildProcess): void => void child.stdin?.write("\x03");

  it("draws a table, and gives the terminal back on Ctrl-C with the result on it", async () => {
    const { child, folder, output, ended } = await onTerminal({ NO_COLOR: "" });
    await until(() => output.stdout.includes("publish yourself"), { what: "the table is there" });
    await until(() => /boiler-3 +\d\d:\d\d:\d\d +0/.test(stripVTControlCharacters(output.stdout)), {
      what: "a summary is in the table",
      timeoutMs: 30_000,
    });
    endByKey(child);
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    const [before, screen, after, ...more] = stdout.split(`${ESCAPE}[?1049`);
    expect(more).toEqual([]);
    expect(before).toBe("");
    expect(screen).toMatch(COLOUR);
    // The cursor and the wrapping of lines are back before the old screen is.
    expect(screen?.endsWith(`${ESCAPE}[?7h${ESCAPE}[?25h`)).toBe(true);
    expect(stripVTControlCharacters(after ?? "")).toMatch(/DEVICE.*Where to go next/s);
    expectNothingLeft(folder);
  });

  it("is without colour for who does not want it, and plain on a terminal that cannot move its cursor", async () => {
    const bare = await onTerminal({ NO_COLOR: "1" });
    const dumb = await onTerminal({ TERM: "dumb" });
    await until(() => bare.output.stdout.includes("publish yourself"), { what: "the table is there" });
    await until(() => dumb.output.stdout.includes("publish something"), { what: "lines are there" });
    for (const { child } of [bare, dumb]) endByKey(child);
    const [table, lines] = await Promise.all([bare.ended, dumb.ended]);
    expect(table.stdout).not.toMatch(COLOUR);
    expect(lines.stdout).not.toContain(ESCAPE);
  });
});
