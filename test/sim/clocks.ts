import type { Clock, Timer, Timers } from "../../src/model/clock.js";
import type { Kernel } from "./kernel.js";

/** When the gateway's true time begins. */
export const EPOCH_MS = Date.UTC(2026, 2, 28, 6);
/** A wall clock behind this has not been set since the gateway came up. */
const PLAUSIBLE_MS = Date.UTC(2026, 0, 1);

/**
 * The gateway's wall clock: it drifts, is stepped, and without a battery starts in 1970 at every boot until somebody
 * sets it. It outlives the agent's process.
 */
export class WallClock {
  readonly #kernel: Kernel;
  #atMs: number;
  #wallMs: number;
  #rate: number;
  boot = 1;
  #bootedMs: number;

  constructor(kernel: Kernel, rate: number) {
    this.#kernel = kernel;
    this.#atMs = kernel.nowMs;
    this.#wallMs = this.trueMs;
    this.#rate = rate;
    this.#bootedMs = kernel.nowMs;
  }

  /** The machine comes up again, with its own clock at 0 and the wall clock wherever it starts. */
  reboot(wallMs: number): void {
    this.boot++;
    this.#bootedMs = this.#kernel.nowMs;
    this.set(wallMs);
  }

  get uptimeMs(): number {
    return this.#kernel.nowMs - this.#bootedMs;
  }

  /** What a perfect clock would say. */
  get trueMs(): number {
    return EPOCH_MS + this.#kernel.nowMs;
  }

  get ms(): number {
    return Math.floor(this.#wallMs + (this.#kernel.nowMs - this.#atMs) * this.#rate);
  }

  get trusted(): boolean {
    return this.ms >= PLAUSIBLE_MS;
  }

  set(wallMs: number): void {
    this.#atMs = this.#kernel.nowMs;
    this.#wallMs = wallMs;
  }

  step(byMs: number): void {
    this.set(this.ms + byMs);
  }
}

/** Clocks and timers of one process: they end with it. */
export class ProcessTime implements Clock, Timers {
  readonly #kernel: Kernel;
  readonly #wall: WallClock;
  #dead = false;

  constructor(kernel: Kernel, wall: WallClock) {
    this.#kernel = kernel;
    this.#wall = wall;
  }

  wallMs(): number {
    return this.#wall.ms;
  }

  monotonicMs(): number {
    return this.#wall.uptimeMs;
  }

  get boot(): number {
    return this.#wall.boot;
  }

  wallTrusted(): boolean {
    return this.#wall.trusted;
  }

  after(ms: number, callback: () => void): Timer {
    return this.#kernel.after(ms, () => {
      if (!this.#dead) callback();
    });
  }

  every(ms: number, callback: () => void): Timer {
    let next: Timer;
    const again = () => {
      next = this.after(ms, () => {
        again();
        callback();
      });
    };
    again();
    return { cancel: () => next.cancel() };
  }

  /** The process is gone: nothing fires any more. */
  die(): void {
    this.#dead = true;
  }
}
