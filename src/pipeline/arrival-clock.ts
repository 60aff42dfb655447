import type { BootClock } from "../model/block.js";
import type { Clock } from "../model/clock.js";
import { defineEvent, type Observer } from "../model/log-event.js";

/**
 * The time of arrival: where the wall clock stands against the machine's own, which is never stepped.
 *
 * Readings are stamped by the machine's own clock plus this offset. The offset is looked at when a block is cut, and
 * what has gathered is moved with it: so all readings of a block are stamped by one wall clock, the one of its end,
 * however it was stepped while they gathered or waited for a slow disk; and whether that clock is to be trusted holds
 * for all of them.
 */
const clockStepped = defineEvent<{ readonly byMs: number }>(
  "clock-stepped",
  "warn",
  "the wall clock was set while the agent runs",
);
const clockUnset = defineEvent<object>(
  "clock-unset",
  "warn",
  "the wall clock is not set yet; readings without an event time wait for it",
);
const clockSet = defineEvent<object>(
  "clock-set",
  "info",
  "the wall clock is set; readings that waited for it get the times at which they came",
);
const clockBehind = defineEvent<Ahead>(
  "clock-behind",
  "warn",
  "the wall clock is behind the readings in the store: it was set back while the agent was away, or was ahead before; what comes of windows up to those gets ids that end in /2",
);

/** Reading two clocks one after the other, one of them in whole milliseconds, is not more exact than this. */
const JITTER_MS = 2;
/** Smaller steps are made every day and harm nobody. */
const TOLD_MS_MIN = 1_000;

/** What has been stored under a clock that was ahead of this one. */
export interface Ahead {
  readonly devices: number;
  /** Milliseconds by which the furthest is ahead. */
  readonly byMs: number;
}

export interface ArrivalClockOptions {
  readonly clock: Clock;
  readonly observer: Observer;
  /** Whether readings wait since an earlier life of the agent. */
  readonly holding?: boolean;
  /** Further than devices may be ahead of the wall clock; looked at once, when that can be trusted. */
  readonly aheadOf?: (nowMs: number) => Ahead;
}

export class ArrivalClock {
  readonly #clock: Clock;
  readonly #observer: Observer;
  #aheadOf: ArrivalClockOptions["aheadOf"];
  #offsetMs: number;
  #trusted: boolean;

  constructor({ clock, observer, holding = false, aheadOf }: ArrivalClockOptions) {
    this.#clock = clock;
    this.#observer = observer;
    this.#aheadOf = aheadOf;
    this.#offsetMs = clock.wallMs() - clock.monotonicMs();
    this.#trusted = !holding;
    this.look();
    if (holding && !this.#trusted) observer.emit(clockUnset, {});
  }

  /** Whether the wall clock could be believed at the last look. */
  get trusted(): boolean {
    return this.#trusted;
  }

  get bootClock(): BootClock {
    return { boot: this.#clock.boot, offsetMs: this.#offsetMs };
  }

  /** Now, in whole milliseconds, by the wall clock as of the last look. */
  stamp(): number {
    return Math.round(this.#clock.monotonicMs() + this.#offsetMs);
  }

  /** @returns by how many whole milliseconds the wall clock was stepped since the last look */
  look(): number {
    const clock = this.#clock;
    // It may be set at any moment: only a clock that was right before and after is right in between.
    const before = clock.wallTrusted();
    const offsetMs = clock.wallMs() - clock.monotonicMs();
    const trusted = before && clock.wallTrusted();
    const byMs = Math.round(offsetMs - this.#offsetMs);
    const stepped = Math.abs(byMs) >= JITTER_MS;
    if (stepped) this.#offsetMs += byMs;
    if (Math.abs(byMs) >= TOLD_MS_MIN) this.#observer.emit(clockStepped, { byMs });
    if (trusted !== this.#trusted) {
      this.#trusted = trusted;
      this.#observer.emit(trusted ? clockSet : clockUnset, {});
    }
    if (trusted) this.#lookBack();
    return stepped ? byMs : 0;
  }

  #lookBack(): void {
    const ahead = this.#aheadOf?.(this.#clock.wallMs());
    this.#aheadOf = undefined;
    if (ahead !== undefined && ahead.devices > 0) this.#observer.emit(clockBehind, ahead);
  }
}
