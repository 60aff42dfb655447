import type { Engine } from "../engine/engine.js";
import type { Cut } from "../engine/options.js";
import type { TickPlan } from "../engine/tick-plan.js";
import type { Block } from "../model/block.js";
import type { Clock, Timer, Timers } from "../model/clock.js";
import { WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import { TokenBucket } from "../model/token-bucket.js";
import type { Store } from "../store/store.js";
import type { ArrivalClock } from "./arrival-clock.js";
import { BlockBuilder } from "./block-builder.js";
import { BlockSize } from "./block-size.js";
import type { Checkpointer } from "./checkpoint.js";
import { placingParts, withinBounds } from "./held-bounds.js";
import type { LogRoom } from "./log-room.js";
import { ProcessingClock } from "./processing-clock.js";
import { isLarge, QuietWatch } from "./quiet.js";
import { inPortions, makeRoom } from "./room.js";

/**
 * Group commit: the one place where readings become durable, and so the heart of the promise that what is
 * acknowledged is kept.
 *
 * Readings gather in a block while the one before it is being synced. Every sync wears the flash, so there is a
 * budget of one commit for each `maxDelayMs`, of which a few are saved up in quiet times. Within the budget a block
 * is cut as soon as its input pauses: a lone sender has its acknowledgement at once. With the budget spent, readings
 * wait for the next commit that it allows, at most `maxDelayMs`. Two kinds of block do not ask the budget, because
 * one sync is little beside what they hold: one with `maxBytes` of payload, and a large one whose input has gone
 * quiet (senders wait for their acknowledgements, or to be read again, so waiting longer gains nothing).
 *
 * A block is full with `maxBytes` of payload, or with as many readings as cause no more summaries than memory and log
 * are to take at a time (block-size.ts). Full ones wait for one another in the order in which they were filled; their
 * number is bounded by what the sources let wait. Before a block is applied the summary log has to have room
 * (log-room.ts), except when everything has to be committed because the agent ends or its profiles change.
 *
 * Cutting is: apply the block to the engine, write block and summaries in one synced batch, and only then tell the
 * sources, who acknowledge. A failed write is tried again by the store until it succeeds; meanwhile nothing is
 * acknowledged, and processing time stands still, so that no device looks idle because Weir is slow.
 *
 * After a crash the store has either the whole batch or nothing of it. With the whole batch and no
 * acknowledgement sent, the sender repeats itself and the duplicate filter, which is part of the replayed state,
 * knows the reading.
 */
export interface CommitterOptions {
  readonly engine: Engine;
  readonly store: Store;
  readonly checkpointer: Checkpointer;
  /** Absent where the log is not bounded. */
  readonly logRoom?: LogRoom;
  readonly clock: Clock;
  readonly arrivals: ArrivalClock;
  readonly timers: Timers;
  /** The state in memory may be wrong: the process has to end, unacknowledged, and recover from the store. */
  readonly onFatal: (error: unknown) => void;
  readonly maxDelayMs: number;
  readonly maxBytes: number;
  /** Where processing time stood when the last life of the agent ended. */
  readonly processingMs: number;
}

type BlockClock = Pick<ArrivalClock, "trusted" | "bootClock">;

type Given = Pick<Block, "groups" | "processingMs" | "tick" | "tickPart">;

/** Commits that a quiet time can save up: a device that waits for each of several acknowledgements is served at once. */
const SAVED_COMMITS_MAX = 10;
const TICK_MS = 1_000;
/** Reading the whole log may take long on a small machine; longer than this it is stuck. */
const ROOM_MS_MAX = 600_000;

export class Committer {
  readonly #options: CommitterOptions;
  #builder = new BlockBuilder();
  /** Filled while another was being committed, oldest first. */
  #full: BlockBuilder[] = [];
  readonly #size = new BlockSize();
  /** How many wait for everything that has gathered; silence can wait meanwhile. */
  #draining = 0;
  /** How many changes wait for their turn; who has been committed meanwhile is told when none does. */
  #holdingBack = 0;
  readonly #heldBack: (() => void)[] = [];
  #delay: Timer | undefined;
  readonly #quiet: QuietWatch;
  readonly #budget: TokenBucket;
  /** When the block that is gathering could first have been cut. */
  #gatheringMs = 0;
  #inFlight: Promise<void> | undefined;
  #ticker: Timer | undefined;
  #stopped = false;
  /** The state in memory may be ahead of the store: nothing may be committed, and so acknowledged, on top of it. */
  #failed = false;
  readonly #processing: ProcessingClock;
  #lastTickMs = Number.NEGATIVE_INFINITY;
  /** More devices have fallen silent than one block may bring back: the next one follows at once. */
  #tickIsBehind = false;
  /** A tick of several parts that has come so far. */
  #tick: (TickPlan & { readonly part: number }) | undefined;
  #lastCommitMs: number;

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#budget = new TokenBucket(1_000 / Math.max(1, options.maxDelayMs), options.clock, SAVED_COMMITS_MAX);
    this.#processing = new ProcessingClock(options.clock, { from: options.processingMs, everyMs: TICK_MS });
    this.#quiet = new QuietWatch(options.clock, options.timers);
    this.#lastCommitMs = options.clock.monotonicMs();
  }

  start(): void {
    this.#ticker = this.#options.timers.every(TICK_MS, () => this.#onTick());
  }

  /** The block that is gathering; call `added` after putting something in. */
  get builder(): BlockBuilder {
    return this.#builder;
  }

  /** How long the current commit has been under way, 0 when none is: what the watchdog looks at. */
  get stalledMs(): number {
    if (this.#inFlight === undefined) return 0;
    const waitingMs = this.#options.logRoom?.waitingMs ?? 0;
    if (waitingMs > 0) return Math.max(0, waitingMs - ROOM_MS_MAX);
    return this.#options.clock.monotonicMs() - this.#lastCommitMs;
  }

  /** Whether nothing waits for a commit that has not begun. */
  get isEmpty(): boolean {
    return this.#builder.isEmpty && this.#full.length === 0;
  }

  /** Sees to it that what was just put in gets committed in time. */
  added(): void {
    if (this.#stopped) return;
    if (this.#draining === 0 && this.#isFull()) {
      this.#full.push(this.#builder);
      this.#builder = new BlockBuilder();
      this.#cut();
      return;
    }
    if (this.#inFlight !== undefined) return;
    if (this.#delay === undefined) this.#schedule(this.#options.maxDelayMs);
    else if (!this.#quiet.isOn && isLarge(this.#builder)) this.#watchForQuiet();
  }

  #isFull(): boolean {
    const { bytes, readings } = this.#builder;
    return bytes >= this.#options.maxBytes || readings >= this.#size.readingsMax;
  }

  /** @param delayMs how long what has gathered may wait yet */
  #schedule(delayMs: number): void {
    const waitMs = this.#budget.waitMs(1);
    this.#gatheringMs = this.#options.clock.monotonicMs();
    this.#delay = this.#options.timers.after(waitMs > 0 ? waitMs : delayMs, () => this.#cut());
    if (waitMs === 0 || isLarge(this.#builder)) this.#watchForQuiet();
  }

  /** Cuts early when the block has stopped growing. */
  #watchForQuiet(): void {
    this.#quiet.start(this.#builder, this.#gatheringMs, () => this.#cut());
  }

  #cut(): void {
    this.#delay?.cancel();
    this.#quiet.stop();
    this.#delay = undefined;
    if (this.#inFlight !== undefined || this.#failed || this.#options.engine.changeover.isUnderWay) return;
    if (this.#budget.waitMs(1) === 0) this.#budget.take(1);
    this.#inFlight = this.#commit()
      .catch((error: unknown) => {
        this.#failed = true;
        this.#options.onFatal(error);
      })
      .finally(() => {
        this.#inFlight = undefined;
        this.#afterCommit();
      });
  }

  async #commit(): Promise<void> {
    if (this.#options.logRoom?.lacking && !(await this.#waitForRoom())) return;
    this.#lastCommitMs = this.#options.clock.monotonicMs();
    this.#shift();
    const builder = this.#next();
    const { engine, arrivals, store } = this.#options;
    const clock = { trusted: arrivals.trusted, bootClock: arrivals.bootClock };
    const before = store.log.appendedBytes;
    const processingMs = this.#processing.advance();
    const isTick = processingMs - this.#lastTickMs >= TICK_MS;
    if (isTick) this.#lastTickMs = processingMs;
    const tick = this.#tick ?? (isTick ? { ...engine.ticks.plan(processingMs), part: 0 } : undefined);
    const apart = tick !== undefined && (tick.parts > 1 || tick.throughMs < processingMs) ? tick : undefined;
    this.#tickIsBehind = apart !== undefined;
    const portions = inPortions(builder.groups(), engine);
    if (portions.length === 0 && apart === undefined) portions.push([]);
    for (const tickPart of clock.trusted ? placingParts(engine) : []) {
      if (!(await this.#write(clock, { groups: [], processingMs, tick: false, tickPart }))) return;
    }
    for (const [i, groups] of portions.entries()) {
      if (i > 0) await makeRoom(this.#options);
      const isLast = i === portions.length - 1;
      const rest = { processingMs, tick: isTick && isLast && apart === undefined };
      if (!(await this.#write(clock, { groups, ...rest }))) return;
    }
    this.#size.learn(builder.readings, store.log.appendedBytes - before);
    for (const committed of builder.waiting) {
      if (this.#holdingBack === 0) committed();
      else this.#heldBack.push(committed);
    }
    await makeRoom(this.#options);
    if (apart !== undefined) {
      await this.#writeTick(clock, apart);
      await makeRoom(this.#options);
    }
    this.#processing.leaveOutWait();
  }

  async #writeTick(
    clock: BlockClock,
    { throughMs, parts, part }: TickPlan & { readonly part: number },
  ): Promise<void> {
    const tickPart = parts > 1 ? { tickPart: { part, parts } } : {};
    await this.#write(clock, { groups: [], processingMs: throughMs, tick: true, ...tickPart });
    this.#tick = part + 1 < parts ? { throughMs, parts, part: part + 1 } : undefined;
  }

  /** Nobody is silent for that long: it is we who do not listen. @returns whether to go on then */
  async #waitForRoom(): Promise<boolean> {
    const { logRoom } = this.#options;
    if (this.#draining > 0 || !logRoom?.lacking) return true;
    this.#processing.advance();
    await logRoom.made();
    this.#processing.leaveOutWait();
    return !this.#stopped;
  }

  #next(): BlockBuilder {
    const builder = this.#full.shift();
    if (builder === undefined) {
      const gathering = this.#builder;
      this.#builder = new BlockBuilder();
      return gathering;
    }
    if (this.#draining > 0) {
      while (this.#full.length > 0 && builder.readings < LIMITS.blockReadingsMax)
        builder.absorb(this.#full.shift()!);
    }
    return builder;
  }

  /** Moves everything that has gathered along with a wall clock that was stepped. */
  #shift(): void {
    const byMs = this.#options.arrivals.look();
    for (const builder of [...this.#full, this.#builder]) builder.shift(byMs);
  }

  /** In as many blocks as memory and log want. @returns whether all of it is durable, and not left because of the end */
  async #write(clock: BlockClock, given: Given): Promise<boolean> {
    let { groups, tick } = given;
    for (;;) {
      const { begun, left } = await this.#writePart(clock, { ...given, groups, tick });
      tick &&= !begun.tick;
      // What a device has yet to say can wait for the next life, which knows of it.
      const isDone = this.#draining > 0 || !this.#options.engine.isBehind;
      if (isDone && left.length === 0 && !tick) return true;
      groups = left;
      await makeRoom(this.#options);
      if (!(await this.#waitForRoom())) return false;
    }
  }

  async #writePart({ trusted, bootClock }: BlockClock, { groups, ...rest }: Given): Promise<Cut> {
    const { engine, store, checkpointer } = this.#options;
    this.#lastCommitMs = this.#options.clock.monotonicMs();
    while (!store.isReadable) await store.readable();
    const block: Block = {
      ...rest,
      sequence: engine.sequence + 1,
      clockTrusted: trusted,
      shareMax: LIMITS.deviceShareMax,
      ...(this.#draining > 0 ? { behindThrough: "" } : {}),
      ...(trusted && !engine.isHolding ? {} : { bootClock }),
      groups: trusted ? groups : withinBounds(groups, engine),
    };
    const { summaries, ...part } = engine.applyPart(block, LIMITS.blockSummariesMax);
    const share = checkpointer.nextShare(store);
    await store.commit({ block: part.begun, summaries, ...share.commit });
    share.written();
    return part;
  }

  #afterCommit(): void {
    if (this.#tickIsBehind && this.#draining === 0 && !this.#stopped && !this.#failed) {
      this.#lastTickMs = Number.NEGATIVE_INFINITY;
      this.#cut();
      return;
    }
    if (this.isEmpty || this.#stopped) return;
    if (this.#full.length > 0) {
      this.#cut();
      return;
    }
    // What gathered during the sync has been waiting since about the cut.
    const waitedMs = this.#options.clock.monotonicMs() - this.#lastCommitMs;
    this.#schedule(Math.max(0, this.#options.maxDelayMs - waitedMs));
  }

  /** Silence closes windows too: looks once a second, and commits a block of its own where there is something to do. */
  #onTick(): void {
    if (this.#inFlight !== undefined) return;
    const processingMs = this.#processing.advance();
    if (this.#delay !== undefined) return;
    const { engine, arrivals, checkpointer } = this.#options;
    this.#shift();
    const clockSet = engine.isHolding && arrivals.trusted;
    if (checkpointer.pending || clockSet || engine.isBehind || engine.ticks.isDue(processingMs)) {
      this.#lastTickMs = Number.NEGATIVE_INFINITY;
      this.#cut();
    }
  }

  /** Commits what has gathered, with room in the log or without, and waits until nothing is under way. */
  async drain(): Promise<void> {
    this.#draining++;
    this.#options.logRoom?.release();
    try {
      while (this.#inFlight !== undefined || !this.isEmpty) {
        if (this.#failed)
          throw new WeirError("commit-failed", "an earlier commit failed; nothing more can be committed");
        if (this.#inFlight === undefined) this.#cut();
        // Devices have yet to change over, and the agent ends.
        if (this.#inFlight === undefined) return;
        await this.#inFlight;
      }
    } finally {
      this.#draining--;
    }
  }

  /**
   * Runs `change` between two commits, when engine and store agree and nothing has gathered. Until then nobody is told
   * of a commit: senders who are send more, and its turn would never come. What gathers after the change has begun is
   * committed behind it; so the change must take effect on the intake before it first awaits. One of many steps says
   * when it gets on, so that it is not taken for stuck. When it fails nothing is committed any more.
   */
  async exclusively<T>(change: (onProgress: () => void) => Promise<T>): Promise<T> {
    const { store } = this.#options;
    this.#holdingBack++;
    try {
      // Nobody may come in between the last look and the change.
      do {
        await this.drain();
        if (!store.isReadable) await store.readable();
      } while (this.#inFlight !== undefined || !this.isEmpty || !store.isReadable);
    } finally {
      this.#holdingBack--;
    }
    this.#lastCommitMs = this.#options.clock.monotonicMs();
    this.#processing.advance();
    const changing = change(() => {
      this.#lastCommitMs = this.#options.clock.monotonicMs();
    });
    this.#inFlight = changing.then(() => {}).catch(() => {});
    if (this.#holdingBack === 0) for (const committed of this.#heldBack.splice(0)) committed();
    try {
      return await changing;
    } catch (error) {
      this.#failed = true;
      throw error;
    } finally {
      this.#processing.leaveOutWait();
      this.#inFlight = undefined;
      this.#afterCommit();
    }
  }

  /** What comes in from now on is not committed, and so not acknowledged. */
  stop(): void {
    this.#stopped = true;
    this.#ticker?.cancel();
    this.#delay?.cancel();
    this.#quiet.stop();
  }
}
