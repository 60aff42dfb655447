import { Forwarder, type ForwarderOptions } from "../../src/forward/forwarder.js";
import type { Schedule } from "../../src/forward/schedule.js";
import { FakeTarget } from "./fake-target.js";
import { ManualClock } from "./manual-clock.js";
import { MemoryCursors, MemoryLog, summaryJson } from "./memory-log.js";
import { Recorder } from "./recorder.js";

/** Due when the test says so. */
class ManualSchedule implements Schedule {
  due: () => void = () => {};
  stopped = false;

  start(onDue: () => void): void {
    this.due = onDue;
  }

  stop(): void {
    this.stopped = true;
    this.due = () => {};
  }
}

interface Rig {
  readonly clock: ManualClock;
  readonly log: MemoryLog;
  readonly cursors: MemoryCursors;
  readonly target: FakeTarget;
  readonly schedule: ManualSchedule;
  readonly recorder: Recorder;
  readonly forwarder: Forwarder;
  readonly positions: () => number[];
}

type RigOptions = Partial<ForwarderOptions> &
  Partial<Pick<Rig, "log" | "cursors" | "clock">> & { readonly fake?: FakeTarget };

export function rig(options: RigOptions = {}): Rig {
  const clock = options.clock ?? new ManualClock();
  const log = options.log ?? new MemoryLog();
  const cursors = options.cursors ?? new MemoryCursors();
  const target = options.fake ?? new FakeTarget();
  const schedule = new ManualSchedule();
  const recorder = new Recorder();
  const forwarder = new Forwarder({
    target,
    schedule,
    log,
    cursors,
    clock,
    timers: clock,
    random: () => 0.5,
    observer: recorder,
    backoff: { baseMs: 1_000, maxMs: 60_000 },
    rateMaxPerSecond: options.rateMaxPerSecond,
    stopMsMax: 2_000,
  });
  const positions = () => target.received.map((entry) => entry.position);
  return { clock, log, cursors, target, schedule, recorder, forwarder, positions };
}

export function append(log: MemoryLog, count: number): void {
  for (let n = 0; n < count; n++) log.append(summaryJson(log.head() + 1));
}

export const upTo = (n: number, from = 1): number[] =>
  Array.from({ length: n - from + 1 }, (_, at) => from + at);
