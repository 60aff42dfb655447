import { existsSync } from "node:fs";
import type { Clock, Random, Timer, Timers } from "../model/clock.js";
import { bootOf, ClockTrust, type Machine, readOrUndefined } from "./clock-trust.js";

const machine: Machine = { exists: existsSync, read: readOrUndefined };
const trust = new ClockTrust(machine);

/** Node counts from the start of the process, the kernel from that of the machine; both by the same clock. */
const startedMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** The machine's clocks: the wall clock may jump, the monotonic one does not. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => startedMs + performance.now(),
  boot: bootOf(machine, Math.random),
  wallTrusted: () => trust.trusts(Date.now(), startedMs + performance.now()),
};

/** Node's timers. They run on the monotonic clock, so a step of the wall clock neither delays nor fires them. */
export const systemTimers: Timers = {
  after(ms, callback) {
    if (ms > 0 && ms < NODE_TIMER_MS_MIN) return afterTurns(ms, callback);
    const timer = setTimeout(callback, boundedDelayMs(ms));
    return { cancel: () => clearTimeout(timer) };
  },
  every(ms, callback) {
    const timer = setInterval(callback, boundedDelayMs(ms));
    return { cancel: () => clearInterval(timer) };
  },
};

/** Node's timers know no less. */
const NODE_TIMER_MS_MIN = 1;

/** Goes round the event loop until the time has come, which takes in what can be read meanwhile. */
function afterTurns(ms: number, callback: () => void): Timer {
  const dueMs = performance.now() + ms;
  const turn = () => {
    if (performance.now() < dueMs) next = setImmediate(turn);
    else callback();
  };
  let next = setImmediate(turn);
  return { cancel: () => clearImmediate(next) };
}

/** Not for secrets. */
export const systemRandom: Random = () => Math.random();

/** Node turns a longer delay than this (24.8 days) into 1 ms, which would make a long wait a busy loop. */
const TIMER_MS_MAX = 2 ** 31 - 1;

function boundedDelayMs(ms: number): number {
  return Math.min(Math.max(0, ms), TIMER_MS_MAX);
}
