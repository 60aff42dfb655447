import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync } from "node:fs";
import type { Timers } from "../model/clock.js";

const READY_MS_MAX = 3_000;
const LOOK_EVERY_MS = 10;

/**
 * A serial port that is a pseudo-terminal, made by socat: what is written here comes out of `path` as from a cable.
 * socat ends when its standard input does, so it does not outlive the demo however that ends.
 */
export class SerialLine {
  readonly #socat: ChildProcess;

  private constructor(socat: ChildProcess) {
    this.#socat = socat;
  }

  /** @returns undefined where there is no socat, or it cannot make a terminal */
  static async open(path: string, timers: Timers): Promise<SerialLine | undefined> {
    const socat = spawn("socat", ["-", `pty,raw,echo=0,link=${path}`], {
      stdio: ["pipe", "ignore", "ignore"],
      // Ctrl-C is for the demo, which ends things in order.
      detached: true,
    });
    socat.stdin.on("error", () => undefined);
    if (await appears(path, socat, timers)) return new SerialLine(socat);
    socat.kill("SIGKILL");
    return undefined;
  }

  write(line: string): void {
    this.#socat.stdin?.write(line);
  }

  async close(): Promise<void> {
    if (this.#socat.exitCode !== null || this.#socat.signalCode !== null) return;
    const gone = once(this.#socat, "exit");
    this.#socat.kill("SIGTERM");
    await gone;
  }
}

/** Looks for the terminal until it is there, socat has failed, or it has taken too long. */
function appears(path: string, socat: ChildProcess, timers: Timers): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (there: boolean): void => {
      looking.cancel();
      limit.cancel();
      resolve(there);
    };
    const looking = timers.every(LOOK_EVERY_MS, () => {
      if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) done(true);
    });
    const limit = timers.after(READY_MS_MAX, () => done(false));
    socat.once("error", () => done(false));
    socat.once("exit", () => done(false));
  });
}
