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
const clockSet = defineEvent<object>("clock-set", "info", "the wall clock is set");

/** Reading two clocks one after the other, one of them in whole milliseconds, is not more exact than this. */
const JITTER_MS = 2;
/** Smaller steps are made every day and harm nobody. */
const TOLD_MS_MIN = 1_000;

export class ArrivalClock {
  readonly #clock: Clock;
  readonly #observer: Observer;
  #offsetMs: number;
  #trusted = true;

  constructor({ clock, observer }: { readonly clock: Clock; readonly observer: Observer }) {
    this.#clock = clock;
    this.#observer = observer;
    this.#offsetMs = clock.wallMs() - clock.monotonicMs();
    this.look();
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
    return stepped ? byMs : 0;
  }
}
