import type { Clock, Random, Timers } from "../model/clock.js";

/**
 * When this version was made. A wall clock behind it has not been set since the gateway came up without a clock
 * battery (such machines start at 1970, or at the build date of their system). Move it with every release.
 */
export const RELEASED_MS = Date.UTC(2026, 0, 1);

/** The machine's clocks: the wall clock may jump, the monotonic one does not. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  wallTrusted: () => Date.now() >= RELEASED_MS,
};

/** Node's timers. They run on the monotonic clock, so a step of the wall clock neither delays nor fires them. */
export const systemTimers: Timers = {
  after(ms, callback) {
    const timer = setTimeout(callback, boundedDelayMs(ms));
    return { cancel: () => clearTimeout(timer) };
  },
  every(ms, callback) {
    const timer = setInterval(callback, boundedDelayMs(ms));
    return { cancel: () => clearInterval(timer) };
  },
};

/** Not for secrets. */
export const systemRandom: Random = () => Math.random();

/** Node turns a longer delay than this (24.8 days) into 1 ms, which would make a long wait a busy loop. */
const TIMER_MS_MAX = 2 ** 31 - 1;

function boundedDelayMs(ms: number): number {
  return Math.min(Math.max(0, ms), TIMER_MS_MAX);
}
