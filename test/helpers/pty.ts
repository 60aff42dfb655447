/** A pair of pseudo-terminals joined by socat: what is written on one end arrives at the other, as on a cable. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { findTool, temporaryFolder, until } from "./tools.js";

export interface PtyPair {
  /** The end that the agent opens. */
  readonly port: string;
  /** Writes as the device would. Resolves when the pseudo-terminal has taken it all. */
  write(text: string | Uint8Array): Promise<void>;
  /** Pulls the cable: both ends hang up, and their names are dead links. */
  unplug(): Promise<void>;
  /** New ends under the old names. */
  plug(): Promise<void>;
}

/** @param options.plugged false: the names do not exist before `plug` */
export async function startPtyPair(options: { readonly plugged?: boolean } = {}): Promise<PtyPair> {
  const program = findTool("socat");
  if (program === undefined) throw new Error("socat is not installed");
  const folder = await temporaryFolder();
  const [port, far] = [join(folder, "port"), join(folder, "device")];
  let socat: ChildProcess | undefined;
  let device: FileHandle | undefined;

  const unplug = async (): Promise<void> => {
    const running = socat;
    const end = device;
    socat = undefined;
    device = undefined;
    if (running !== undefined && running.exitCode === null && running.signalCode === null) {
      const gone = once(running, "exit");
      running.kill("SIGKILL");
      await gone;
    }
    // Only now: a write that the other side did not take would hold the file open.
    await end?.close();
  };

  const plug = async (): Promise<void> => {
    // A killed socat leaves its links behind.
    await Promise.all([port, far].map((path) => rm(path, { force: true })));
    socat = spawn(program, [`pty,raw,echo=0,link=${port}`, `pty,raw,echo=0,link=${far}`], {
      stdio: "ignore",
    });
    await until(() => existsSync(port) && existsSync(far), { what: "socat has made the terminals" });
    device = await open(far, "r+");
  };

  onTestFinished(unplug);
  if (options.plugged !== false) await plug();
  return {
    port,
    async write(text) {
      if (device === undefined) throw new Error("the cable is not plugged in");
      await device.writeFile(text);
    },
    unplug,
    plug,
  };
}
