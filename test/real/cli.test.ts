import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
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

  it.each([
    ["a rejection", "unhandled-rejection", "Promise.reject(error)"],
    ["an exception", "uncaught-exception", "setTimeout(()=>{throw error},0)"],
  ])("prints %s that nobody caught as one line and exits with 1", async (_, event, trouble) => {
    const whenReady = [
      "const error=new Error('boom');",
      `const timer=setInterval(()=>{if(process.listenerCount('uncaughtException')===0)return;`,
      `clearInterval(timer);${trouble}},1)`,
    ].join("");
    const { ended } = start(["replay", "--profile", "device-profiles/generic-json.yaml", "-"], {
      preload: whenReady,
    });
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^level=error event=${event} msg="Error: boom.*"\n$`));
  });
});
