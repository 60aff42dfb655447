/**
 * Carries the summary log to one target, in order, from a durable cursor.
 *
 * - The cursor moves, synced, after the target has confirmed a batch, and never otherwise. A crash between
 *   confirmation and cursor delivers that batch again: at least once, and "highest revision per id wins" is all
 *   that the receiver needs.
 * - The schedule sets a goal, the log's end at that time; the drain goes on until the cursor is there, however
 *   often it has to be repeated. Nothing but the goal differs between `immediate` and a cron expression.
 * - A failure waits (exponential, full jitter) and repeats from the cursor; a target that says it is ready again
 *   ends the wait. Each target has its own forwarder, so one that is away holds back only itself.
 * - A batch that fails for good (an error that is not retryable) is repeated one entry at a time; the entry that
 *   then fails for good is passed over with an event and a count. It stays in the log.
 * - When the log has given up entries beyond the cursor, or cannot read them any more, they are counted, and
 *   reported with their bounds. Other holes are entries that were merged into later ones.
 * - Nothing is handed to the target that is not reserved in the durable cursor, and nothing is read for that before:
 *   so the log, when it is full, knows what may have been sent and merges only the rest. Each save of the cursor
 *   reserves as much again as was just delivered, so that steady small deliveries cost no sync of their own.
 * - After a failure what was handed over goes first, alone, until it is confirmed. Where the log is about to need room
 *   the reservation is taken back to that: an outage leaves little in doubt, however long it is. Where it has plenty,
 *   all that is in it is reserved.
 * - A store that cannot be written does not hold up what is reserved: a save that takes long is left to itself, and the
 *   next follows when it is through. A crash before that delivers again.
 * - `stop` gives the batch in flight `stopMsMax`, then abandons it: the cursor stays where it was.
 */
import type { BackoffOptions } from "../model/backoff.js";
import type { Clock, Random, Timer, Timers } from "../model/clock.js";
import { WeirError } from "../model/errors.js";
import type { Observer } from "../model/log-event.js";
import type { LogEntry } from "../model/summary.js";
import type { Cursor, Cursors, SummaryLog, Target } from "../model/summary-log.js";
import { TokenBucket } from "../model/token-bucket.js";
import { CursorKeeper, endsWithin } from "./cursor-keeper.js";
import { DeliveryAccount, type DeliveryCounts } from "./delivery-account.js";
import { forwardAbandoned, forwardCursorAhead } from "./events.js";
import type { Schedule } from "./schedule.js";

export interface ForwarderOptions {
  readonly target: Target;
  readonly schedule: Schedule;
  readonly log: SummaryLog;
  readonly cursors: Cursors;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly observer: Observer;
  readonly backoff?: BackoffOptions;
  /** Entries per second; absent for no limit. */
  readonly rateMaxPerSecond?: number | undefined;
  /** How long `stop` waits for the delivery in flight. */
  readonly stopMsMax?: number;
}

/**
 * new: not started. idle: everything asked for is delivered. limited: waiting for the rate limit. retrying: waiting
 * after a failure.
 */
export type ForwarderState = "new" | "stopped" | "idle" | "delivering" | "limited" | "retrying";

export interface ForwarderStatus extends DeliveryCounts {
  readonly target: string;
  readonly state: ForwarderState;
  /** What the target says of its connection. */
  readonly upstream: { readonly state: string; readonly detail?: string };
  /** Last confirmed position of the log. */
  readonly cursor: number;
  /** Entries in the log that are not confirmed, at most. */
  readonly lagEntries: number;
}

const BACKOFF_DEFAULT: BackoffOptions = { baseMs: 500, maxMs: 60_000 };
const STOP_MS_MAX_DEFAULT = 2_000;
/** Reserved ahead at least, or a whole batch if that is less. */
const RESERVED_POSITIONS_MIN = 100;

export class Forwarder {
  private readonly options: ForwarderOptions;
  private readonly target: Target;
  private readonly account: DeliveryAccount;
  private readonly bucket: TokenBucket | undefined;
  private state: ForwarderState = "new";
  private stopping = false;
  private abandoned = false;
  private running: Promise<void> = Promise.resolve();
  /** Ends the subscription to the target's `onReady`. */
  private forget: (() => void) | undefined;
  /** Ends the current pause, if any. */
  private resume: (() => void) | undefined;

  /** Confirmed by the target; the durable cursor is `saved` and follows. */
  private confirmed = 0;
  /** The last position that the target was handed, confirmed or not. */
  private attempted = 0;
  private readonly keeper: CursorKeeper;
  private loaded = false;
  /** Something failed, and what is reserved and was not handed over has to be given back. */
  private releaseDue = false;
  /** The drain goes on until `confirmed` is here. */
  private goal = 0;
  /** Up to this position entries go one at a time, because a batch failed for good. */
  private singleUntil = 0;

  constructor(options: ForwarderOptions) {
    this.options = options;
    this.target = options.target;
    this.keeper = new CursorKeeper({
      target: options.target.name,
      cursors: options.cursors,
      timers: options.timers,
      onLateEnd: () => void (this.state === "idle" && this.resume?.()),
    });
    this.account = new DeliveryAccount({
      ...options,
      target: options.target.name,
      backoff: options.backoff ?? BACKOFF_DEFAULT,
    });
    this.bucket =
      options.rateMaxPerSecond === undefined
        ? undefined
        : new TokenBucket(options.rateMaxPerSecond, options.clock);
  }

  /** Starts the target, too. Returns at once; an unreachable upstream is retried. Once: a stopped one stays so. */
  start(): void {
    if (this.state !== "new") return;
    this.state = "idle";
    this.target.start();
    this.forget = this.target.onReady?.(() => {
      if (this.state === "retrying") this.resume?.();
    });
    this.running = this.run();
    this.options.schedule.start(() => {
      this.goal = Math.max(this.goal, this.options.log.head());
      if (this.state === "idle") this.resume?.();
    });
  }

  /** Stops the target, too. Resolves within `stopMsMax` and the time that the target takes to stop. */
  async stop(): Promise<void> {
    if (this.state === "new" || this.stopping) return;
    const stopMsMax = this.options.stopMsMax ?? STOP_MS_MAX_DEFAULT;
    this.options.schedule.stop();
    this.forget?.();
    this.stopping = true;
    this.resume?.();
    const ended = await endsWithin(this.running, stopMsMax, this.options.timers);
    if (!ended) {
      this.abandoned = true;
      this.options.observer.emit(forwardAbandoned, { target: this.target.name, waitedMs: stopMsMax });
    }
    this.state = "stopped";
    await this.target.stop();
  }

  status(): ForwarderStatus {
    const { log } = this.options;
    return {
      target: this.target.name,
      state: this.state,
      upstream: this.target.status(),
      cursor: this.keeper.saved.confirmed,
      lagEntries: Math.min(log.count(), Math.max(0, log.head() - this.confirmed)),
      ...this.account.counts,
    };
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      try {
        await this.step();
      } catch (error) {
        this.releaseDue = true;
        if (!this.stopping) await this.pause("retrying", this.account.failed(error));
      }
    }
    // The next life shall have no more in doubt than there is; without it there only is more.
    if (!this.abandoned && !this.keeper.late) await this.release().catch(() => {});
  }

  /** One unit of work: load, save, wait, or deliver one batch. Throws what is to be retried. */
  private async step(): Promise<void> {
    if (!this.loaded) return this.load();
    if (!this.keeper.late) {
      if (this.keeper.saved.confirmed < this.confirmed) return this.saveAgain();
      if (this.releaseDue) return this.reconsiderReserved();
    }
    const { log } = this.options;
    if (log.tail() > this.confirmed + 1) return this.skipTo(log.tail());
    if (this.confirmed >= this.goal) return this.pause("idle", undefined);
    const count = this.batchEntries();
    const waitMs = this.bucket?.waitMs(count) ?? 0;
    if (waitMs > 0) return this.pause("limited", waitMs);
    this.state = "delivering";
    const head = log.head();
    const entries = await this.readReserved(count);
    // The log may have been cut since the look at its tail.
    if (this.stopping || entries === undefined || log.tail() > this.confirmed + 1) return;
    if (entries.length === 0) return this.skipTo(head + 1);
    return this.deliver(entries);
  }

  private async load(): Promise<void> {
    const { log, observer } = this.options;
    const target = this.target.name;
    const none = { confirmed: log.tail() - 1, reserved: log.tail() - 1 };
    const cursor = await this.keeper.load();
    // What was lost before a target was there is not lost to it.
    if (cursor === undefined) await this.keeper.save(none);
    else if (cursor.confirmed > log.head()) {
      observer.emit(forwardCursorAhead, { target, cursor: cursor.confirmed, head: log.head() });
      // Its entries may have been sent under this cursor.
      await this.keeper.save({ ...none, reserved: log.head() });
    }
    this.confirmed = this.keeper.saved.confirmed;
    this.attempted = this.keeper.saved.reserved;
    this.loaded = true;
  }

  /** What the log no longer has cannot be delivered: say so if it is lost, and go on behind it. */
  private async skipTo(position: number): Promise<void> {
    const [first, last] = [this.confirmed + 1, position - 1];
    this.account.dropped(first, last, this.options.log.lost(this.confirmed, last));
    this.confirmed = last;
    await this.save();
  }

  /**
   * The next entries that the target may be handed, from `confirmed`; none when there is nothing up to the head.
   * Undefined when room had to be reserved first: the log may have merged them meanwhile, so they are read again.
   */
  private async readReserved(count: number): Promise<readonly LogEntry[] | undefined> {
    const { bytesMax } = this.target.batch;
    const { reserved } = this.keeper;
    const entries = await this.options.log.read(this.confirmed, { entriesMax: count, bytesMax });
    if (entries.length === 0) return entries;
    const doubtful = entries.filter(({ position }) => position <= this.attempted);
    if (doubtful.length > 0) return doubtful;
    const allowed = entries.filter(({ position }) => position <= reserved);
    if (allowed.length > 0) return allowed;
    await this.save(entries.at(-1)!.position + this.headRoom());
    return undefined;
  }

  private headRoom(): number {
    return Math.min(RESERVED_POSITIONS_MIN, this.target.batch.entriesMax);
  }

  /** After a failure: the target may be away for long, or come back while nothing can be written. */
  private async reconsiderReserved(): Promise<void> {
    this.releaseDue = false;
    const { log } = this.options;
    if (!log.roomy()) await this.release();
    else if (this.keeper.reserved < log.head()) await this.keeper.saveInTime(this.cursor(0));
  }

  /** Gives back what is reserved and was not handed over. */
  private async release(): Promise<void> {
    const { confirmed, attempted, keeper } = this;
    const reserved = Math.max(attempted, confirmed);
    if (keeper.saved.reserved > reserved) await keeper.saveInTime({ confirmed, reserved });
  }

  private batchEntries(): number {
    if (this.confirmed < this.singleUntil) return 1;
    const { entriesMax } = this.target.batch;
    const there = this.options.log.head() - this.confirmed;
    return Math.max(1, Math.min(entriesMax, this.bucket?.capacity ?? entriesMax, there));
  }

  private async deliver(entries: readonly LogEntry[]): Promise<void> {
    const last = entries[entries.length - 1]!;
    const span = last.position - this.confirmed;
    this.bucket?.take(entries.length);
    this.attempted = Math.max(this.attempted, last.position);
    try {
      await this.target.deliver(entries);
      this.account.delivered(entries.length);
    } catch (error) {
      if (!(error instanceof WeirError) || error.retryable) throw error;
      if (entries.length > 1) {
        this.singleUntil = last.position;
        return;
      }
      this.account.setAside(last, error);
    }
    // After an abandoned stop the store may be closed already.
    if (this.abandoned) return;
    this.account.damaged(this.options.log.lost(this.confirmed, last.position));
    this.confirmed = last.position;
    await this.keeper.saveInTime(this.cursor(last.position + Math.max(span, this.headRoom())));
    this.account.recovered();
  }

  private save(reserved = this.keeper.saved.reserved): Promise<void> {
    return this.keeper.save(this.cursor(reserved));
  }

  /** @param reserved at least what was handed over is, and all of a roomy log */
  private cursor(reserved: number): Cursor {
    const { confirmed, attempted } = this;
    const { log } = this.options;
    return { confirmed, reserved: Math.max(reserved, attempted, confirmed, log.roomy() ? log.head() : 0) };
  }

  /** The target has confirmed, but the cursor could not be written: no reason to deliver again. */
  private async saveAgain(): Promise<void> {
    await this.keeper.saveInTime(this.cursor(this.keeper.saved.reserved));
    this.account.recovered();
  }

  /** Until `ms` have passed (without `ms`: until the schedule sets a new goal), or something calls `resume`. */
  private pause(state: ForwarderState, ms: number | undefined): Promise<void> {
    this.state = state;
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      this.resume = () => {
        timer?.cancel();
        this.resume = undefined;
        resolve();
      };
      if (ms !== undefined) timer = this.options.timers.after(ms, this.resume);
    });
  }
}
