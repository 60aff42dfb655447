import type { Timer } from "../../src/model/clock.js";

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/**
 * Simulated time: a queue of events. Between two events every promise that can be kept is kept, so the asynchronous
 * code under test has come to rest before time goes on, and a run depends on nothing but the events.
 */
export class Kernel {
  /** True time since the beginning of the simulation. */
  nowMs = 0;
  /** Events run so far: the place in a run that a failure is told by. */
  steps = 0;
  readonly #heap: Event[] = [];
  #ordered = 0;
  #failure: { readonly error: unknown } | undefined;

  after(ms: number, run: () => void): Timer {
    const atMs = this.nowMs + Math.max(0, ms);
    const event: Event = { atMs, order: this.#ordered++, run, cancelled: false };
    this.#push(event);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  /** Ends the run with this error; for failures inside of callbacks. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Runs events until `done()` or nothing is left before `untilMs`. @throws what `fail` was told */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    let over = false;
    while (!over) {
      await turns(() => {
        over ||= !this.#step(untilMs, done);
      });
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    if (!done() && untilMs !== Number.POSITIVE_INFINITY) this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** Runs the next event. @returns whether there was one */
  #step(untilMs: number, done: () => boolean): boolean {
    try {
      if (this.#failure !== undefined || done()) return false;
      const next = this.#nextBefore(untilMs);
      if (next === undefined) return false;
      this.nowMs = next.atMs;
      this.steps++;
      next.run();
      return true;
    } catch (error) {
      this.fail(error);
      return false;
    }
  }

  #nextBefore(untilMs: number): Event | undefined {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) return undefined;
      this.#pop();
      if (!next.cancelled) return next;
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** How often `turns` does something: one turn of the event loop costs more than most steps. */
const TURNS = 64;

/** Does something several times, each time when every promise is kept that can be: Node sees to it between immediates. */
function turns(step: () => void): Promise<void> {
  return new Promise((resolve) => {
    for (let n = 1; n < TURNS; n++) setImmediate(step);
    setImmediate(() => {
      step();
      resolve();
    });
  });
}
