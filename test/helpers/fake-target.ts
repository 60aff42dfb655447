import { WeirError } from "../../src/model/errors.js";
import type { LogEntry } from "../../src/model/summary.js";
import type { Target } from "../../src/model/summary-log.js";

/** A target in memory that does what the test tells it to. */
export class FakeTarget implements Target {
  readonly name: string;
  readonly batch: Target["batch"];
  /** What was confirmed, in order. */
  readonly received: LogEntry[] = [];
  /** Sizes of the batches it was given, confirmed or not. */
  readonly batches: number[] = [];
  /** Rejects retryably while true. */
  away = false;
  /** Entries that it can never take. */
  refuses: (entry: LogEntry) => boolean = () => false;
  /** Holds deliveries until `release`. */
  holding = false;
  deliveriesOpen = 0;
  started = false;
  /** Every status that it was to publish while in reach. */
  readonly statuses: Readonly<Record<string, unknown>>[] = [];
  readonly listeners = new Set<() => void>();
  private details: (() => Readonly<Record<string, unknown>>) | undefined;
  private stopped = false;
  private held: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(options: { readonly name?: string; readonly batch?: Target["batch"] } = {}) {
    this.name = options.name ?? "fake";
    this.batch = options.batch ?? { entriesMax: 10, bytesMax: 1_000_000 };
  }

  start(): void {
    this.started = true;
    this.sayStatus();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    for (const { reject } of this.held.splice(0)) reject(away("stopped"));
  }

  async deliver(entries: readonly LogEntry[]): Promise<void> {
    if (this.stopped) throw away("stopped");
    if (this.deliveriesOpen > 0) throw new Error("a delivery came before the end of the last one");
    this.deliveriesOpen++;
    this.batches.push(entries.length);
    try {
      if (this.holding) await new Promise<void>((resolve, reject) => this.held.push({ resolve, reject }));
      if (this.away) throw away("away");
      const bad = entries.find(this.refuses);
      if (bad !== undefined) throw new WeirError("too-large", `entry ${bad.position} is too large`);
      this.received.push(...entries);
    } finally {
      this.deliveriesOpen--;
    }
  }

  onReady(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  publishStatus(details: () => Readonly<Record<string, unknown>>): void {
    this.details = details;
    this.sayStatus();
  }

  private sayStatus(): void {
    if (this.started && !this.away && this.details !== undefined) this.statuses.push(this.details());
  }

  status(): { readonly state: string } {
    return { state: this.away ? "waiting" : "connected" };
  }

  /** Comes back, and says so. */
  comeBack(): void {
    this.away = false;
    this.sayStatus();
    for (const listener of this.listeners) listener();
  }

  /** Lets the held deliveries go on, and later ones through. */
  release(): void {
    this.holding = false;
    for (const { resolve } of this.held.splice(0)) resolve();
  }
}

function away(what: string): WeirError {
  return new WeirError("fake-away", `the target is ${what}`, { retryable: true });
}
