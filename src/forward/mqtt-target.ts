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
 *   sent: a broker closes the connection at a packet beyond its limit, and would do so for ever.
 * - A retained status (`{"state":"online"}`) is published on every connection before any summary, `offline` with
 *   reason `stopped` before a disconnect of our own, and as the last will with reason `lost`.
 *
 * MQTT 3.1.1 has no way to refuse a publish (3.3.5): a broker whose access rules forbid the topic may acknowledge it
 * all the same (Mosquitto does). Look at the broker's log when an account is new.
 */
import type { Random, Timer, Timers } from "../model/clock.js";
import { messageOf, WeirError } from "../model/errors.js";
import type { Observer } from "../model/log-event.js";
import type { LogEntry, Summary } from "../model/summary.js";
import type { Target } from "../model/summary-log.js";
import { MqttConnection, type MqttConnectionOptions } from "../mqtt/connection.js";
import type { MqttSession } from "../mqtt/session.js";
import { TARGET_AWAY } from "./events.js";
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

interface Message {
  readonly topic: string;
  readonly payload: Buffer;
}

const ANSWER_MS_MAX_DEFAULT = 30_000;
/** How long a stop waits for the broker to take the last status. */
const GOODBYE_MS_MAX = 500;
/** Fixed header, topic length and packet id of a PUBLISH at most (MQTT 3.1.1, 3.3). */
const PACKET_OVERHEAD_BYTES = 9;

export class MqttTarget implements Target {
  readonly name: string;
  readonly batch: Target["batch"];
  private readonly options: MqttTargetOptions;
  private readonly connection: MqttConnection;
  private readonly topicOf: ReturnType<typeof compileTopic>;
  private readonly statusTopic: string;
  private readonly listeners = new Set<() => void>();
  private details: Readonly<Record<string, unknown>> = {};

  /** @throws WeirError `bad-topic`, `bad-broker-url`, `bad-client-id` */
  constructor(options: MqttTargetOptions) {
    const { name, site, gateway, timers, random, observer } = options;
    this.name = name;
    this.batch = options.batch;
    this.options = options;
    this.topicOf = compileTopic(options.topic);
    this.statusTopic = compileTopic(options.statusTopic, STATUS_PLACEHOLDERS)({ site, gateway });
    this.connection = new MqttConnection(
      {
        ...options.broker,
        cleanSession: true,
        will: { topic: this.statusTopic, payload: this.offline("lost"), qos: 1, retain: true },
      },
      { owner: { target: name }, timers, random, observer },
      { connected: (session) => this.onConnected(session) },
    );
  }

  start(): void {
    this.connection.start();
  }

  async stop(): Promise<void> {
    const { session } = this.connection;
    if (session !== undefined) await this.sayGoodbye(session);
    await this.connection.end();
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
    const { timers, inflightMax, answerMsMax = ANSWER_MS_MAX_DEFAULT } = this.options;
    await publishAll({ session, messages, inflightMax, timers, answerMsMax });
  }

  onReady(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  status(): { readonly state: string; readonly detail?: string } {
    return this.connection.status;
  }

  /** Publishes, now and on every later connection, `{"state":"online", …details}` as the gateway's retained status. */
  publishStatus(details: Readonly<Record<string, unknown>>): void {
    this.details = details;
    const { session } = this.connection;
    if (session !== undefined) this.sayOnline(session);
  }

  private onConnected(session: MqttSession): void {
    this.sayOnline(session);
    for (const listener of this.listeners) listener();
  }

  private sayOnline(session: MqttSession): void {
    const { site, gateway } = this.options;
    const payload = JSON.stringify({ state: "online", site, gateway, ...this.details });
    // A connection that ends before the answer is no news: the next one publishes it again.
    session.publish(this.statusTopic, payload, { qos: 1, retain: true }).catch(() => {});
  }

  private offline(reason: "stopped" | "lost"): string {
    const { site, gateway } = this.options;
    return JSON.stringify({ state: "offline", site, gateway, reason });
  }

  private sayGoodbye(session: MqttSession): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.options.timers.after(GOODBYE_MS_MAX, resolve);
      const answered = (): void => {
        timer.cancel();
        resolve();
      };
      session
        .publish(this.statusTopic, this.offline("stopped"), { qos: 1, retain: true })
        .then(answered, answered);
    });
  }

  private message(entry: LogEntry): Message {
    const { site, gateway, packetBytesMax } = this.options;
    const summary = parseSummary(entry);
    const topic = this.topicOf({
      site,
      gateway,
      profile: summary.profile.replace(/@[^@]*$/, ""),
      device: summary.device,
      window: summary.window.name,
    });
    const payload = Buffer.from(entry.json);
    const bytes = payload.length + Buffer.byteLength(topic) + PACKET_OVERHEAD_BYTES;
    if (bytes <= packetBytesMax && topicFits(topic)) return { topic, payload };
    throw new WeirError(
      "summary-too-large",
      `summary ${summary.id} makes a packet of ${bytes} bytes; ${packetBytesMax} are allowed`,
      { hint: "ask for fewer fields or aggregates in the profile's window" },
    );
  }
}

interface PublishAllOptions {
  readonly session: MqttSession;
  readonly messages: readonly Message[];
  readonly inflightMax: number;
  readonly timers: Timers;
  readonly answerMsMax: number;
}

/** Publishes in order, some at a time; resolves at the last PUBACK, rejects at the first failure. */
function publishAll(options: PublishAllOptions): Promise<void> {
  const { session, messages, inflightMax, timers, answerMsMax } = options;
  return new Promise((resolve, reject) => {
    let [next, answered, failed] = [0, 0, false];
    let timer: Timer | undefined;
    const fail = (error: unknown): void => {
      failed = true;
      timer?.cancel();
      reject(error);
    };
    const watch = (): void => {
      timer?.cancel();
      timer = timers.after(answerMsMax, () => {
        fail(unanswered(answerMsMax));
        // What is in flight may still arrive; on this connection it could come behind a repetition.
        session.abort();
      });
    };
    const pump = (): void => {
      while (!failed && next < messages.length && next - answered < inflightMax) {
        const { topic, payload } = messages[next++]!;
        session.publish(topic, payload, { qos: 1 }).then(onAnswer, fail);
      }
    };
    const onAnswer = (): void => {
      answered++;
      if (failed) return;
      if (answered < messages.length) {
        watch();
        pump();
      } else {
        timer?.cancel();
        resolve();
      }
    };
    if (messages.length === 0) return resolve();
    watch();
    pump();
  });
}

function unanswered(ms: number): WeirError {
  return new WeirError("mqtt-unanswered", `the broker has acknowledged nothing for ${ms} ms`, {
    retryable: true,
    hint: "look at the broker's load and log",
  });
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
        cause: error,
      },
    );
  }
}
