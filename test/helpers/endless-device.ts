/** A device that goes on sending numbered readings until it is told to come to an end, and the kinds that there are. */
import type { Message } from "./mqtt-load.js";
import { ARRIVAL_PROFILE, closing, NUMBERED_PROFILE, numbered } from "./numbered-readings.js";
import type { Seeded } from "./seeded.js";

const REDEFINED_PROFILE = NUMBERED_PROFILE.replace("id: numbered", "id: redefined").replace(
  "n/{device}",
  "r/{device}",
);
/** The definitions of a window that take turns. */
export const DEFINITIONS = [
  REDEFINED_PROFILE,
  REDEFINED_PROFILE.replace("name: 5s, tumbling: 5s", "name: 5s, tumbling: 3s"),
] as const;

/** A window for each reading, and much to say about it. */
const SHORT_PROFILE = NUMBERED_PROFILE.replace("id: numbered", "id: short")
  .replace("n/{device}", "s/{device}")
  .replace("outOfOrderness: 2s", "outOfOrderness: 300ms")
  .replace(
    /windows:[\s\S]*/,
    'windows: [{ name: 100ms, tumbling: 100ms, fields: { "*": [count, sum, min, max, mean], note: [last] } }]\n',
  );

export const FLEET_PROFILES = {
  numbered: NUMBERED_PROFILE,
  arriving: ARRIVAL_PROFILE,
  redefined: REDEFINED_PROFILE,
  short: SHORT_PROFILE,
};

export type Kind = "timed" | "arriving" | "redefined" | "short";
const TOPICS: Readonly<Record<Kind, string>> = { timed: "n", arriving: "a", redefined: "r", short: "s" };
/** How many readings later one may come: within the lateness, and for the timed ones behind the watermark. */
const DISORDER: Readonly<Record<Kind, number>> = { timed: 70, arriving: 0, redefined: 40, short: 2 };
/** Makes the journal grow as it does in a long life, so that there are checkpoints. */
const NOTE = "text that makes payloads longer than those of the field are. ".repeat(4);

/** One device: an endless list of messages, until it is told to come to an end. */
export class EndlessDevice {
  readonly name: string;
  readonly kind: Kind;
  /** Every payload that was handed out for sending. */
  readonly sent: string[] = [];
  /** Readings so far, with those that are held back to come out of order. */
  count = 0;
  ending = false;
  readonly #random: Seeded;

  constructor(kind: Kind, index: number, random: Seeded) {
    this.name = `${kind}-${index}`;
    this.kind = kind;
    this.#random = random;
  }

  get topic(): string {
    return `${TOPICS[this.kind]}/${this.name}`;
  }

  *[Symbol.iterator](): Generator<Message> {
    for (const payload of this.#payloads()) {
      this.sent.push(payload);
      yield { topic: this.topic, payload };
    }
  }

  *#payloads(): Generator<string> {
    let waiting: { readonly payload: string; readonly place: number }[] = [];
    while (!this.ending) {
      const i = this.count++;
      const place = i + this.#random.next() * DISORDER[this.kind];
      waiting.push({ payload: this.#reading(i), place });
      waiting.sort((a, b) => a.place - b.place);
      for (const { payload } of waiting.filter((each) => each.place <= this.count)) yield payload;
      waiting = waiting.filter((each) => each.place > this.count);
      if (this.kind === "timed" && i % 10 === 3) yield this.#reading(Math.max(0, i - 35));
      if (this.kind === "timed" && i % 50 === 7) yield "{not JSON";
    }
    for (const { payload } of waiting) yield payload;
    if (this.kind !== "arriving") yield closing(this.name, this.count);
  }

  #reading(i: number): string {
    return numbered(this.name, i, this.kind === "arriving" ? "" : `${NOTE}${i}`);
  }
}
