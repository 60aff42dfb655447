import type { Timer, Timers } from "../model/clock.js";
import type { MqttSession } from "../mqtt/session.js";
import { publishBytes } from "./publish-bytes.js";

export interface RetainedStatusOptions {
  readonly topic: string;
  readonly site: string;
  readonly gateway: string;
  readonly timers: Timers;
}

/** How long a stop waits for the broker to take the last status. */
const GOODBYE_MS_MAX = 500;
/** Connections that ended before they had acknowledged the status: it may be what ends them. */
const FAILURES_MAX = 3;
/** How long details are left out then; they may have been of no concern. */
const BRIEF_MS = 600_000;

/**
 * The gateway's retained status on a broker: who it is and `"state":"online"`, with whatever `details` says at the time
 * of sending; `offline` as the last will and before a disconnect. One is on its way at a time; what is to be said
 * meanwhile is said after it, once. Where the whole of it is too long for a packet, or connections keep ending over
 * it, it goes without details: it must not be what keeps summaries back.
 */
export class RetainedStatus {
  readonly #options: RetainedStatusOptions;
  details: () => Readonly<Record<string, unknown>> = () => ({});
  #open: { readonly session: MqttSession; readonly answer: Promise<void> } | undefined;
  #again = false;
  #failures = 0;
  /** Runs while details are left out. */
  #brief: Timer | undefined;

  constructor(options: RetainedStatusOptions) {
    this.#options = options;
  }

  get topic(): string {
    return this.#options.topic;
  }

  /** Resolves when the broker has acknowledged what was last published on this session. */
  answered(session: MqttSession): Promise<void> {
    return this.#open?.session === session ? this.#open.answer : Promise.resolve();
  }

  /** Whether something that was published on this session is not acknowledged. */
  isOpen(session: MqttSession): boolean {
    return this.#open?.session === session;
  }

  /** @param packetBytesMax longest packet that the broker is known to take */
  sayOnline(session: MqttSession, packetBytesMax: number): void {
    if (this.isOpen(session)) {
      this.#again = true;
      return;
    }
    this.#again = false;
    const answer = session.publish(this.topic, this.#online(packetBytesMax), { qos: 1, retain: true });
    const open = { session, answer };
    this.#open = open;
    answer.then(
      () => {
        if (this.#open !== open) return;
        this.#open = undefined;
        this.#failures = 0;
        if (this.#again) this.sayOnline(session, packetBytesMax);
      },
      // A connection that ends before the answer is no news: the next one publishes it again.
      () => this.#failed(),
    );
  }

  /** Details are sent again from here on. */
  reset(): void {
    this.#brief?.cancel();
    this.#brief = undefined;
    this.#failures = 0;
  }

  #failed(): void {
    this.#failures++;
    if (this.#failures < FAILURES_MAX || this.#brief !== undefined) return;
    this.#brief = this.#options.timers.after(BRIEF_MS, () => this.reset());
  }

  offline(reason: "stopped" | "lost"): string {
    const { site, gateway } = this.#options;
    return JSON.stringify({ state: "offline", site, gateway, reason });
  }

  sayGoodbye(session: MqttSession): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.timers.after(GOODBYE_MS_MAX, resolve);
      const answered = (): void => {
        timer.cancel();
        resolve();
      };
      session.publish(this.topic, this.offline("stopped"), { qos: 1, retain: true }).then(answered, answered);
    });
  }

  #online(packetBytesMax: number): string {
    const { topic, site, gateway } = this.#options;
    const brief = { state: "online", site, gateway };
    const whole = JSON.stringify({ ...brief, ...this.details() });
    const fits = publishBytes(topic, Buffer.byteLength(whole)) <= packetBytesMax;
    return fits && this.#brief === undefined ? whole : JSON.stringify(brief);
  }
}
