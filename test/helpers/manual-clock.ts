import type { Clock, Timer, Timers } from "../../src/model/clock.js";

interface Pending {
  readonly callback: () => void;
  readonly everyMs: number | undefined;
  readonly order: number;
  dueMs: number;
}

/**
 * Both clocks and all timers, moved by hand. Timers fire in the order of their due time, those of the same time
 * in the order in which they were set; a timer set by a callback fires in the same `advance` when it is due.
 */
export class ManualClock implements Clock, Timers {
  boot = 1;
  private wall: number;
  private monotonic = 1_000;
  private trusted: boolean;
  private readonly pending = new Set<Pending>();
  private ordered = 0;

  constructor(options: { readonly wallMs?: number; readonly trusted?: boolean } = {}) {
    this.wall = options.wallMs ?? Date.parse("2026-01-14T12:00:00Z");
    this.trusted = options.trusted ?? true;
  }

  wallMs(): number {
    return this.wall;
  }

  monotonicMs(): number {
    return this.monotonic;
  }

  wallTrusted(): boolean {
    return this.trusted;
  }

  after(ms: number, callback: () => void): Timer {
    return this.add(ms, callback, undefined);
  }

  every(ms: number, callback: () => void): Timer {
    if (!(ms > 0)) throw new RangeError(`a period of ${ms} ms would never let time pass`);
    return this.add(ms, callback, ms);
  }

  /** Moves both clocks on and runs what falls due, synchronously. */
  advance(ms: number): void {
    const endMs = this.monotonic + ms;
    for (let next = this.nextDue(endMs); next !== undefined; next = this.nextDue(endMs)) this.fire(next);
    this.moveTo(endMs);
  }

  /** As `advance`, but lets promises and I/O callbacks run after each timer, for code that awaits in between. */
  async run(ms: number): Promise<void> {
    const endMs = this.monotonic + ms;
    await settle();
    for (let next = this.nextDue(endMs); next !== undefined; next = this.nextDue(endMs)) {
      this.fire(next);
      await settle();
    }
    this.moveTo(endMs);
    await settle();
  }

  /** A step of the wall clock alone, as NTP or a person makes it; no timer notices. */
  stepWall(toMs: number, options: { readonly trusted?: boolean } = {}): void {
    this.wall = toMs;
    this.trusted = options.trusted ?? this.trusted;
  }

  /** Timers that have not fired or been cancelled: for tests that nothing is left behind. */
  timersPending(): number {
    return this.pending.size;
  }

  private add(ms: number, callback: () => void, everyMs: number | undefined): Timer {
    const entry: Pending = {
      callback,
      everyMs,
      order: this.ordered++,
      dueMs: this.monotonic + Math.max(0, ms),
    };
    this.pending.add(entry);
    return { cancel: () => void this.pending.delete(entry) };
  }

  private nextDue(endMs: number): Pending | undefined {
    let next: Pending | undefined;
    for (const entry of this.pending) {
      if (entry.dueMs > endMs) continue;
      if (next === undefined || entry.dueMs < next.dueMs) next = entry;
      else if (entry.dueMs === next.dueMs && entry.order < next.order) next = entry;
    }
    return next;
  }

  private fire(entry: Pending): void {
    this.moveTo(entry.dueMs);
    if (entry.everyMs === undefined) this.pending.delete(entry);
    else entry.dueMs += entry.everyMs;
    entry.callback();
  }

  private moveTo(monotonicMs: number): void {
    this.wall += monotonicMs - this.monotonic;
    this.monotonic = monotonicMs;
  }
}

/** One turn of the event loop, after every promise that is already resolved. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
