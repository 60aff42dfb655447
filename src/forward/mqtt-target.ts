/**
 * Summaries as messages to an MQTT broker: one summary per message, its canonical JSON unchanged, QoS 1, on a topic
 * made of its device and window, so that a receiver subscribes to what it needs.
 *
 * - A delivery resolves when the PUBACK of every message is here. At most `inflightMax` are on their way at a time,
 *   written in order on one connection, so a receiver sees them in order.
 * - Every connection is a new mqtt.js client with a clean session. mqtt.js queues what is published while it is away
 *   and sends again what was in flight; here the log is the only queue: away rejects at once, a connection that ends
 *   rejects what was in flight, and the forwarder delivers again from its cursor.
 * - A broker that stays connected and acknowledges nothing for `answerMsMax` loses the connection.
 * - A summary whose packet is longer than `packetBytesMax` is refused for good, before anything of its batch is
 *   sent: a broker closes the connection at a packet beyond its limit, and would do so for ever. So is one beyond a
 *   limit that the broker itself states, once connections have ended over it (`suspect.ts`).
 * - A retained status (`{"state":"online"}` and details) is published on every connection before any summary,
 *   `offline` with reason `stopped` before a disconnect of our own, and as the last will with reason `lost`.
 *
 * MQTT 3.1.1 has no way to refuse a publish (3.3.5): a broker whose access rules forbid the topic may acknowledge it
 * all the same (Mosquitto does). Look at the broker's log when an account is new.
 */
import type { Random, Timers } from "../model/clock.js";
import { messageOf, WeirError } from "../model/errors.js";
import type { Observer } from "../model/log-event.js";
import type { LogEntry, Summary } from "../model/summary.js";
import type { Target } from "../model/summary-log.js";
import { MqttConnection, type MqttConnectionOptions } from "../mqtt/connection.js";
import type { MqttSession } from "../mqtt/session.js";
import { TARGET_AWAY } from "./events.js";
import { publishAll } from "./publish-all.js";
import { publishBytes } from "./publish-bytes.js";
import { RetainedStatus } from "./retained-status.js";
import { Suspect, type Suspicious } from "./suspect.js";
import { compileTopic, STATUS_PLACEHOLDERS, topicFits } from "./topic-template.js";

export interface MqttTargetOptions {
  readonly name: string;
  readonly broker: Omit<MqttConnectionOptions, "cleanSession" | "will" | "packetBytesMax">;
  readonly site: string;
  readonly gateway: string;
  /** With `{site}`, `{gateway}`, `{profile}`, `{device}`, `{window}`. */
  readonly topic: string;
  /** With `{site}`, `{gateway}`. */
  readonly statusTopic: string;
  readonly batch: Target["batch"];
  /** Messages without their PUBACK. */
  readonly inflightMax: number;
  /** Longest packet that the broker takes; AWS IoT Core and many others allow 128 KiB. */
  readonly packetBytesMax: number;
  /** Longest wait for the next PUBACK. */
  readonly answerMsMax?: number;
  readonly timers: Timers;
  readonly random: Random;
  readonly observer: Observer;
}

interface Message extends Suspicious {
  readonly topic: string;
  readonly payload: Buffer;
}

const ANSWER_MS_MAX_DEFAULT = 30_000;

export class MqttTarget implements Target {
  readonly name: string;
  readonly batch: Target["batch"];
  private readonly options: MqttTargetOptions;
  private readonly connection: MqttConnection;
  private readonly topicOf: ReturnType<typeof compileTopic>;
  private readonly retained: RetainedStatus;
  private readonly suspect: Suspect;
  private readonly listeners = new Set<() => void>();

  /** @throws WeirError `bad-topic`, `bad-broker-url`, `bad-client-id` */
  constructor(options: MqttTargetOptions) {
    const { name, site, gateway, timers, random, observer } = options;
    this.name = name;
    this.batch = options.batch;
    this.options = options;
    this.topicOf = compileTopic(options.topic);
    const statusTopic = compileTopic(options.statusTopic, STATUS_PLACEHOLDERS)({ site, gateway });
    this.retained = new RetainedStatus({ topic: statusTopic, site, gateway, timers });
    this.suspect = new Suspect({ target: name, timers, observer, ask: () => this.connection.askLimit() });
    this.connection = new MqttConnection(
      {
        ...options.broker,
        cleanSession: true,
        will: { topic: statusTopic, payload: this.retained.offline("lost"), qos: 1, retain: true },
      },
      { owner: { target: name }, timers, random, observer },
      {
        connected: (session) => this.onConnected(session),
        disconnected: () => this.suspect.forgetLimit(),
        limitStated: (bytes) => this.suspect.limitStated(bytes),
      },
    );
  }

  start(): void {
    this.connection.start();
  }

  async stop(): Promise<void> {
    const { session } = this.connection;
    if (session !== undefined) await this.retained.sayGoodbye(session);
    await this.connection.end();
    this.suspect.forgetLimit();
    this.retained.reset();
  }

  async deliver(entries: readonly LogEntry[]): Promise<void> {
    const messages = entries.map((entry) => this.message(entry));
    const { session, status } = this.connection;
    if (session === undefined) {
      throw new WeirError(TARGET_AWAY, `not connected: ${status.detail}`, {
        retryable: true,
        hint: "look at the events of the connection, and check url, credentials and network",
      });
    }
    await this.publish(session, messages);
    this.suspect.clear();
  }

  onReady(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  status(): { readonly state: string; readonly detail?: string } {
    const { state, detail } = this.connection.status;
    const problem = this.suspect.detail;
    return { state, detail: problem === undefined ? detail : `${detail}; ${problem}` };
  }

  publishStatus(details: () => Readonly<Record<string, unknown>>): void {
    this.retained.details = details;
    const { session } = this.connection;
    if (session !== undefined) this.sayOnline(session);
  }

  private onConnected(session: MqttSession): void {
    this.sayOnline(session);
    for (const listener of this.listeners) listener();
  }

  private sayOnline(session: MqttSession): void {
    this.retained.sayOnline(session, this.packetBytesMax());
  }

  private packetBytesMax(): number {
    return Math.min(this.options.packetBytesMax, this.suspect.limitBytes);
  }

  /** Behind the status, and one at a time, up to the summary that the last connection ended over. */
  private async publish(session: MqttSession, messages: readonly Message[]): Promise<void> {
    const { timers, inflightMax, answerMsMax = ANSWER_MS_MAX_DEFAULT } = this.options;
    const suspected = messages.findIndex(({ position }) => position === this.suspect.position);
    const before = suspected < 0 ? [] : [() => this.retained.answered(session)];
    const sends = messages.map(
      ({ topic, payload }) =>
        () =>
          session.publish(topic, payload, { qos: 1 }),
    );
    try {
      await publishAll({
        sends: [...before, ...sends],
        inflightMax,
        aloneFirst: before.length + suspected + 1,
        timers,
        answerMsMax,
        abort: () => session.abort(),
        onFailure: (index, error) => {
          const first = messages[index - before.length];
          if (!(error instanceof WeirError) || !error.retryable) return;
          if (first !== undefined && !this.retained.isOpen(session)) this.suspect.ended(first);
        },
      });
    } catch (error) {
      const { detail, hint } = this.suspect;
      if (detail === undefined || hint === undefined || !(error instanceof WeirError)) throw error;
      throw new WeirError(error.code, detail, { retryable: error.retryable, hint, cause: error });
    }
  }

  private message(entry: LogEntry): Message {
    const { site, gateway } = this.options;
    const summary = parseSummary(entry);
    const topic = this.topicOf({
      site,
      gateway,
      profile: summary.profile.replace(/@[^@]*$/, ""),
      device: summary.device,
      window: summary.window.name,
    });
    const payload = Buffer.from(entry.json);
    const bytes = publishBytes(topic, payload.length);
    const bytesMax = this.packetBytesMax();
    if (bytes <= bytesMax && topicFits(topic)) {
      return { position: entry.position, id: summary.id, bytes, topic, payload };
    }
    const stated = this.suspect.limitBytes < this.options.packetBytesMax;
    throw new WeirError(
      "summary-too-large",
      `summary ${summary.id} makes a packet of ${bytes} bytes; ${bytesMax} are ${stated ? "what the broker takes" : "allowed"}`,
      {
        hint: `ask for fewer fields or aggregates in the profile's window, or raise ${stated ? "the broker's limit of a packet" : "packetBytesMax of the target, if the broker takes more"}`,
      },
    );
  }
}

/** What a topic needs of a summary. The log holds nothing else, so a failure here is a damaged entry. */
function parseSummary(entry: LogEntry): Pick<Summary, "id" | "profile" | "device" | "window"> {
  try {
    const summary: Summary = JSON.parse(entry.json);
    if (
      typeof summary.profile === "string" &&
      typeof summary.device === "string" &&
      typeof summary.window.name === "string"
    ) {
      return summary;
    }
    throw new Error("profile, device or window is missing");
  } catch (error) {
    throw new WeirError(
      "summary-unreadable",
      `entry ${entry.position} is not a summary: ${messageOf(error)}`,
      {
        hint: "look at the disk, and at the log for other damage of the store",
        cause: error,
      },
    );
  }
}
