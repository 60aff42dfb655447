import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";

const MAIN = resolve("dist/main.js");

function start(args: readonly string[], options: { readonly preload?: string } = {}) {
  const preload =
    options.preload === undefined ? [] : ["--import", `data:text/javascript,${options.preload}`];
  const child = spawn(process.execPath, [...preload, MAIN, ...args], { stdio: "pipe" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, ...output }));
  return { child, ended };
}

/** Code that runs as soon as the program listens to an event. */
function onceListening(event: string, code: string): string {
  const look = `if(process.listenerCount('${event}')===0)return;clearInterval(timer);${code}`;
  return `const timer=setInterval(()=>{${look}},1)`;
}

describe("the program", () => {
  beforeAll(() => {
    expect(existsSync(MAIN), "build first: npm run build").toBe(true);
  });

  it("answers with exit codes: 0 fine, 1 a failure, 2 wrong usage", async () => {
    expect(await start(["help"]).ended).toMatchObject({ code: 0, stderr: "" });
    expect(await start(["rum"]).ended).toMatchObject({ code: 2, stdout: "" });
    expect(
      await start(["replay", "--profile", "device-profiles/generic-json.yaml", "/nowhere"]).ended,
    ).toMatchObject({ code: 1, stdout: "" });
  });

  it("ends quietly when nobody reads on, as with `weir help | true`", async () => {
    const { child, ended } = start(["help"]);
    child.stdout.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });

  it("says that the disk behind its output is full, and exits with 1", async () => {
    const full = openSync("/dev/full", "w");
    onTestFinished(() => closeSync(full));
    const child = spawn(process.execPath, [MAIN, "help"], { stdio: ["ignore", full, "pipe"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    let stderr = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const [code] = await once(child, "close");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^level=error event=output-failed msg="ENOSPC: no space left on device[^\\]*"\n$/);
  });

  it("lives on when it is told to reload while it is still being loaded", async () => {
    const { ended } = start(["run", "-c", "/nowhere/weir.yaml"], {
      preload: onceListening("uncaughtException", "process.kill(process.pid,'SIGHUP')"),
    });
    expect(await ended).toMatchObject({ code: 2, stderr: expect.stringContaining("/nowhere/weir.yaml") });
  });

  it.each([
    ["a rejection", "unhandled-rejection", "Promise.reject(error)"],
    ["an exception", "uncaught-exception", "setTimeout(()=>{throw error},0)"],
  ])("prints %s that nobody caught as one line and exits with 1", async (_, event, trouble) => {
    const { ended } = start(["replay", "--profile", "device-profiles/generic-json.yaml", "-"], {
      preload: `const error=new Error('boom');${onceListening("uncaughtException", trouble)}`,
    });
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^level=error event=${event} msg="Error: boom.*"\n$`));
  });
});
