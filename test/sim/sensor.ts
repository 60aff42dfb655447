import type { FieldValue } from "../../src/model/reading.js";
import type { Outgoing, SimulatedClient } from "./client.js";
import { EPOCH_MS } from "./clocks.js";
import type { Dice } from "./dice.js";
import type { Kernel } from "./kernel.js";
import { MARK_BITS, MARK_FIELDS, MARKS_MAX, ROLLOVER, VALUE_RANGE } from "./profiles.js";
import type { DeviceSpec } from "./scenario.js";

/** A reading as it was sent: what the checker knows of it. */
export interface Sent {
  readonly number: number;
  /** As it says itself: no other reading of any device is named so. */
  readonly name: string;
  /** Event time; undefined where the gateway stamps it. */
  readonly timeMs: number | undefined;
  /** Values as the gateway should keep them, by field. */
  readonly values: readonly FieldValue[];
  /** The message, and the second one where the device repeated itself. */
  readonly messages: Outgoing[];
}

const MISSING = Number.NaN;

/** A device: takes readings by its own clock and hands them to its client, in its own way. */
export class Sensor {
  readonly spec: DeviceSpec;
  readonly client: SimulatedClient;
  readonly sent: Sent[] = [];
  readonly #kernel: Kernel;
  readonly #dice: Dice;
  #stopped = false;
  /** What the device has counted. */
  #counted = 0;

  constructor(on: {
    readonly spec: DeviceSpec;
    readonly client: SimulatedClient;
    readonly kernel: Kernel;
    readonly dice: Dice;
  }) {
    this.spec = on.spec;
    this.client = on.client;
    this.#kernel = on.kernel;
    this.#dice = on.dice;
  }

  start(): void {
    const { everyMs, silences, bursts } = this.spec;
    const dice = this.#dice;
    const next = () => {
      const pauseMs = dice.chance(silences) ? everyMs * 30 : everyMs * (0.5 + dice.next());
      this.#kernel.after(pauseMs, () => {
        if (this.#stopped) return;
        for (let n = dice.chance(bursts) ? dice.whole(5, 30) : 1; n > 0; n--) this.#take();
        next();
      });
    };
    next();
  }

  stop(): void {
    this.#stopped = true;
  }

  #take(): void {
    // Room is left for the readings that close the windows in the end.
    if (this.sent.length >= MARKS_MAX - 10) return;
    this.send(this.#timeMs());
  }

  /** The device's own time less some disorder: up to what the profile allows, or beyond where it may be late. */
  #timeMs(): number {
    const { profile, clockOffsetMs } = this.spec;
    const allowedMs = profile.outOfOrdernessMs + profile.latenessMs;
    const dice = this.#dice;
    const backMs = dice.chance(0.6) ? 0 : dice.next() * allowedMs * (profile.strict ? 1 : 3);
    return Math.floor(EPOCH_MS + this.#kernel.nowMs + clockOffsetMs - backMs);
  }

  /** Sends the next reading with this event time. */
  send(timeMs: number): void {
    const dice = this.#dice;
    const { profile, name, qos, repeats } = this.spec;
    const number = this.sent.length;
    const field = Math.floor(number / MARK_BITS) % MARK_FIELDS;
    const mark = 2 ** (number % MARK_BITS);
    const v = dice.chance(0.1)
      ? undefined
      : dice.chance(0.05)
        ? 999
        : Math.round(dice.next() * 4_000 - 1_000) / 100 + 0;
    const s = dice.chance(0.5) ? undefined : dice.pick(["on", "off", "Größe", "x y"]);
    this.#counted = dice.chance(0.02) ? 0 : (this.#counted + dice.whole(0, 60)) % ROLLOVER;
    const n = this.#counted;
    const t = profile.timed ? { t: timeMs } : {};
    const id = `${name}:${number}`;
    const payload = Buffer.from(JSON.stringify({ ...t, [`m${field}`]: mark, v, s, n, id }));
    const values: FieldValue[] = Array.from({ length: MARK_FIELDS }, (_, i) =>
      i === field ? mark : MISSING,
    );
    const kept = [v === undefined || v > VALUE_RANGE[1] ? MISSING : v, s ?? MISSING];
    values.push(...kept, ...kept, n, id);
    const message = (): Outgoing => ({
      topic: `${profile.id}/${name}`,
      payload,
      qos,
      sent: false,
      acknowledged: false,
      messageId: 0,
    });
    const messages = [message()];
    // Without an event time a repetition cannot be known as one.
    if (profile.timed && dice.chance(repeats)) messages.push(message());
    this.sent.push({ number, name: id, timeMs: profile.timed ? timeMs : undefined, values, messages });
    for (const each of messages) this.client.publish(each);
  }
}
