/**
 * A store with a full log, targets that come and go, and trims, all interleaved by seed over a disk in memory that
 * may die at any batch. What each target was handed is kept as its receiver would.
 */
import { mergeSummaries } from "../../src/aggregate/merge.js";
import { Forwarder } from "../../src/forward/forwarder.js";
import { createSchedule } from "../../src/forward/schedule.js";
import { WeirError } from "../../src/model/errors.js";
import type { LogEntry, Summary } from "../../src/model/summary.js";
import type { Target } from "../../src/model/summary-log.js";
import type { Coarsening } from "../../src/store/coarsen.js";
import { Store } from "../../src/store/store.js";
import { ManualClock, settle } from "./manual-clock.js";
import { MemoryDisk } from "./memory-disk.js";
import { Recorder } from "./recorder.js";

/** Takes a random part of what it is handed before it fails, when it is lossy. */
export class ComingAndGoing implements Target {
  readonly name: string;
  readonly batch = { entriesMax: 7, bytesMax: 1_000_000 };
  readonly received: string[] = [];
  mode: "there" | "away" | "lossy" = "there";
  readonly #below: (below: number) => number;
  readonly #listeners = new Set<() => void>();

  constructor(name: string, below: (below: number) => number) {
    this.name = name;
    this.#below = below;
  }

  start(): void {}

  async stop(): Promise<void> {}

  async deliver(entries: readonly LogEntry[]): Promise<void> {
    for (let turns = this.#below(8); turns > 0; turns--) await undefined;
    const taken =
      this.mode === "away" ? 0 : this.mode === "lossy" ? this.#below(entries.length + 1) : entries.length;
    this.received.push(...entries.slice(0, taken).map(({ json }) => json));
    if (this.mode !== "there") throw new WeirError("gone", "the connection was lost", { retryable: true });
  }

  onReady(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Is there again, and says so: what waits for a retry begins at once. */
  comeBack(): void {
    this.mode = "there";
    for (const listener of this.#listeners) listener();
  }

  status() {
    return { state: this.mode };
  }
}

export interface WorldOptions {
  readonly below: (below: number) => number;
  readonly targets: number;
  readonly logBytesMax: number;
  readonly ladderMs: readonly number[];
  readonly zone: string;
}

export class OutageWorld {
  readonly targets: readonly ComingAndGoing[];
  readonly disk: MemoryDisk;
  /** One for each life, so that no timer outlives it. */
  clock = new ManualClock();
  readonly recorder = new Recorder();
  /** Names of the targets that are configured. */
  configured: readonly string[];
  readonly #options: WorldOptions;
  #store: Store | undefined;
  #forwarders: Forwarder[] = [];
  #trimming: Promise<void> | undefined;
  readonly failures: unknown[] = [];
  /** Whether appending makes room, as in the agent. */
  trims = true;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.disk = new MemoryDisk(() => (options.below(8) === 0 ? options.below(100) : options.below(4)));
    this.targets = Array.from(
      { length: options.targets },
      (_, i) => new ComingAndGoing(`t${i}`, options.below),
    );
    this.configured = this.targets.map(({ name }) => name);
  }

  get store(): Store {
    return this.#store!;
  }

  async start(): Promise<void> {
    const { clock, recorder, disk } = this;
    const { logBytesMax, ladderMs, zone } = this.#options;
    const coarsening: Coarsening = { ladderMs, zone, merge: mergeSummaries };
    const store = await Store.open({
      path: "memory",
      disk,
      clock,
      timers: clock,
      observer: recorder,
      logBytesMax,
      coarsening,
    });
    this.#store = store;
    store.log.onAppend(() => {
      if (this.trims) this.trim();
    });
    this.startForwarders();
  }

  startForwarders(): void {
    const { clock, recorder, store } = this;
    this.#forwarders = this.targets
      .filter(({ name }) => this.configured.includes(name))
      .map((target) => {
        const schedule = createSchedule({
          expression: "immediate",
          zone: "UTC",
          log: store.log,
          clock,
          timers: clock,
        });
        return new Forwarder({
          target,
          schedule,
          log: store.log,
          cursors: store,
          clock,
          timers: clock,
          random: () => 0.5,
          observer: recorder,
          backoff: { baseMs: 100, maxMs: 1_000 },
        });
      });
    for (const forwarder of this.#forwarders) forwarder.start();
  }

  /** As the agent does it: one at a time. */
  trim(): void {
    if (this.#trimming !== undefined) return;
    this.#trimming = this.store
      .trimLog(() => this.configured)
      .catch((error: unknown) => void this.failures.push(error))
      .finally(() => {
        this.#trimming = undefined;
      });
  }

  /** Writes them as one commit. @returns false when the disk died first and they are not there */
  async commit(summaries: readonly Summary[]): Promise<boolean> {
    const head = this.store.log.head();
    let done = false;
    void this.store.commit({ summaries, records: [] }).then(() => {
      done = true;
    });
    for (let turns = 0; turns < 50 && !done && !this.disk.dead; turns++) {
      if (turns === 5) this.disk.goOn();
      await settle();
    }
    if (done) return true;
    await this.crash();
    return this.store.log.head() >= head + summaries.length;
  }

  /** Ends this life wherever it is, and begins the next. */
  async crash(): Promise<void> {
    this.disk.dead = true;
    for (let turns = 0; turns < 5; turns++) await settle();
    this.clock = new ManualClock();
    this.#trimming = undefined;
    this.disk.revive();
    await this.start();
  }

  /** Ends in good order, if the disk lets it, and begins anew. */
  async restart(configured = this.configured): Promise<void> {
    const ending = async () => {
      await Promise.all(this.#forwarders.map((forwarder) => forwarder.stop()));
      await this.#trimming;
      await this.store.close();
    };
    let ended = false;
    void ending().then(() => {
      ended = true;
    });
    while (!ended && !this.disk.dead) {
      await this.clock.run(1_000);
      this.disk.goOn();
    }
    this.configured = configured;
    await this.crash();
  }

  async pass(ms: number): Promise<void> {
    await this.clock.run(ms);
    if (this.disk.dead) await this.crash();
  }

  /** Until every target has confirmed everything. */
  async drain(): Promise<void> {
    for (const target of this.targets) target.mode = "there";
    this.disk.goOn();
    for (let rounds = 0; rounds < 500; rounds++) {
      await this.pass(2_000);
      const cursors = await Promise.all(this.configured.map((name) => this.store.load(name)));
      if (cursors.every((cursor) => (cursor?.confirmed ?? 0) >= this.store.log.head())) return;
    }
    throw new Error("a target does not get everything");
  }
}
