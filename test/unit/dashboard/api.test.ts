import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { askAgent } from "../../../src/cli/agent-client.js";
import { type LocalApi, localApiPath, startLocalApi } from "../../../src/dashboard/api.js";
import type { Observer } from "../../../src/model/log-event.js";
import { settle } from "../../helpers/manual-clock.js";
import { MemoryLog } from "../../helpers/memory-log.js";

/** Remembers what was asked of it. */
class CountingLog extends MemoryLog {
  reads = 0;

  override read(...bounds: Parameters<MemoryLog["read"]>): ReturnType<MemoryLog["read"]> {
    this.reads++;
    return super.read(...bounds);
  }
}

let folder: string;
let path: string;
let api: LocalApi | undefined;
let log: CountingLog;
let events: string[];
const observer: Observer = { emit: (event) => void events.push(event.name) };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-api-"));
  path = localApiPath(folder);
  log = new CountingLog();
  events = [];
});
afterEach(async () => {
  await api?.close();
  api = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function start(status: () => unknown = () => ({ ok: true })): Promise<void> {
  api = await startLocalApi({ path, log, status, observer });
}

function summary(device: string, end: string | undefined, extra = ""): string {
  const window = end === undefined ? { name: "all" } : { name: "1m", end };
  return JSON.stringify({ id: `g/p/${device}`, device, window, extra });
}

async function get(target: string): Promise<string> {
  const response = await askAgent(path, target);
  return (await response!.setEncoding("utf8").toArray()).join("");
}

function rawStatus(method: string, target: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ socketPath: path, method, path: target }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .once("error", reject)
      .end();
  });
}

describe("the local socket", () => {
  it("answers status to its user and group only", async () => {
    await start(() => ({ devices: 3 }));
    expect(JSON.parse(await get("/status"))).toEqual({ devices: 3 });
    expect(statSync(path).mode & 0o777).toBe(0o660);
  });

  it("replaces the socket that a crash left behind", async () => {
    await leaveStaleSocket(path);
    expect(existsSync(path)).toBe(true);
    expect(await askAgent(path, "/status")).toBeUndefined();
    await start();
    expect(await get("/status")).toBe('{"ok":true}\n');
  });

  it("does not take the socket away from an agent that answers on it", async () => {
    await start();
    const second = startLocalApi({ path, log, status: () => "second", observer });
    await expect(second).rejects.toMatchObject({ code: "socket-in-use" });
    expect(await get("/status")).toBe('{"ok":true}\n');
  });

  it("says which path is too long instead of listening somewhere else", async () => {
    const long = join(folder, "x".repeat(120));
    const starting = startLocalApi({ path: long, log, status: () => ({}), observer });
    await expect(starting).rejects.toMatchObject({ code: "socket-path-too-long" });
  });

  it("refuses what it does not understand, and survives a status that fails", async () => {
    await start(() => {
      throw new Error("boom");
    });
    expect(await rawStatus("POST", "/status")).toBe(405);
    expect(await rawStatus("GET", "/etc/passwd")).toBe(404);
    expect(await rawStatus("GET", "/log?sinc=1")).toBe(400);
    expect(await rawStatus("GET", "/log?since=yesterday")).toBe(400);
    expect(await rawStatus("GET", "/log?follow=maybe")).toBe(400);
    expect(await rawStatus("GET", "/status")).toBe(500);
    expect(events).toEqual(["local-api-failed"]);
    await expect(askAgent(path, "/nothing")).rejects.toMatchObject({ code: "agent-refused" });
  });

  it("removes its file when it closes", async () => {
    await start();
    await api!.close();
    api = undefined;
    expect(existsSync(path)).toBe(false);
  });
});

describe("the log over the socket", () => {
  it("is all of it, in order, filtered by device and time", async () => {
    await start();
    const all = [
      summary("a", "2026-01-14T12:00:00Z"),
      summary("b", "2026-01-14T12:01:00Z"),
      summary("a", "2026-01-14T12:02:00Z"),
      summary("a", undefined),
    ];
    log.append(...all);
    expect((await get("/log")).trimEnd().split("\n")).toEqual(all);
    const late = await get("/log?device=a&since=2026-01-14T12:01:00Z");
    expect(late.trimEnd().split("\n")).toEqual(all.slice(2));
    expect(await get("/log?device=nobody")).toBe("");
  });

  it("follows: a new entry arrives without asking again, and the listener goes with the reader", async () => {
    await start();
    log.append(summary("a", "2026-01-14T12:00:00Z"));
    const response = (await askAgent(path, "/log?follow=1"))!.setEncoding("utf8");
    let text = "";
    response.on("data", (chunk: string) => {
      text += chunk;
    });
    await vi.waitFor(() => expect(text.split("\n")).toHaveLength(2));
    log.append(summary("b", "2026-01-14T12:01:00Z"));
    await vi.waitFor(() => expect(text.split("\n")).toHaveLength(3));
    response.destroy();
    await vi.waitFor(() => expect(log.listening()).toBe(0));
  });

  it("reads no further than a slow reader takes", async () => {
    await start();
    const large = summary("a", "2026-01-14T12:00:00Z", "x".repeat(100_000));
    for (let i = 0; i < 1_000; i++) log.append(large);
    const response = (await askAgent(path, "/log"))!;
    response.pause();
    let before = -1;
    await vi.waitFor(async () => {
      for (let turn = 0; turn < 50; turn++) await settle();
      const still = log.reads === before;
      before = log.reads;
      expect(still).toBe(true);
    });
    expect(log.reads).toBeLessThan(100);
    let bytes = 0;
    for await (const chunk of response) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(1_000 * (large.length + 1));
  });

  it("ends every follower when the agent stops", async () => {
    await start();
    const response = (await askAgent(path, "/log?follow=1"))!;
    const ended = new Promise((resolve) => response.once("close", resolve).resume());
    response.on("error", () => undefined);
    await api!.close();
    api = undefined;
    await ended;
    expect(log.listening()).toBe(0);
  });
});

/** Binds in a process that is then killed: the only honest way to get a socket file that nobody listens on. */
async function leaveStaleSocket(at: string): Promise<void> {
  const script = `require("node:net").createServer().listen(${JSON.stringify(at)},()=>process.stdout.write("up"))`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}
