/** What real tests need of the machine: programs, free ports, temporary folders, and waiting without sleeping long. */
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, onTestFinished } from "vitest";

/** Only a failure waits so long, or a machine that is busy with other things. */
const PATIENCE_MS = 60_000;
/** Daemons live in sbin, which a user's PATH often lacks. */
const FOLDERS = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];

/** Full path of a program; undefined where it is not installed. */
export function findTool(name: string): string | undefined {
  for (const folder of FOLDERS) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** A suite over real programs; where one is missing it is skipped under a name that says which. */
export function describeWithTools(tools: readonly string[], name: string, body: () => void): void {
  const missing = tools.filter((tool) => findTool(tool) === undefined);
  if (missing.length === 0) describe(name, body);
  else describe.skip(`${name} (skipped: ${missing.join(" and ")} not installed)`, body);
}

/**
 * A TCP port of the loopback that nobody listens on at this moment. Not one of those that the system gives to outgoing
 * connections: tests beside this one open many, and while one lives nobody can listen on its port.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * (PORTS.last - PORTS.first));
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
}

const PORTS = { first: 10_000, last: 32_768 };
const given = new Set<number>();

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
  if (free) await new Promise((resolve) => server.close(resolve));
  return free;
}

/** A folder that goes away with the test it is made in. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "weir-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Waits for something outside that gives no event; looks every few milliseconds. What `tell` says goes with a failure. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  options: { readonly what: string; readonly timeoutMs?: number; readonly tell?: () => string },
): Promise<void> {
  const timeoutMs = options.timeoutMs ?? PATIENCE_MS;
  const startMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startMs > timeoutMs) {
      throw new Error(
        `waited ${timeoutMs} ms in vain until ${options.what}\n${options.tell?.() ?? ""}`.trim(),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
