import { DiskError } from "./disk.js";

/**
 * For reads that nobody can wait for: the engine asks in the midst of a block, of which a part is folded already.
 *
 * The only way out of one that fails is to end the process, and a device that is being reset answers again soon. The
 * process stands still meanwhile, so that it does not last longer than a broker or a watchdog puts up with.
 */
const TRIES = 20;
const PAUSE_MS = 50;

/** Tries again what has failed, but not what is damaged. @throws DiskError */
export function readAgain<T>(read: () => T, { pause = standStill } = {}): T {
  for (let tries = 1; ; tries++) {
    try {
      return read();
    } catch (error) {
      if (tries === TRIES || !(error instanceof DiskError) || error.fault !== "failed") throw error;
      pause(PAUSE_MS);
    }
  }
}

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
