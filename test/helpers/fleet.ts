/**
 * Twenty devices that go on and on under whatever a test does to the agent, and the account of their readings: each
 * that was acknowledged has to be in its window upstream, once. Ten speak QoS 1 and ten QoS 2.
 *
 * Devices of three kinds. `timed`: event time, out of order, some readings twice, some payloads broken; their
 * summaries have to be those of an uninterrupted run, byte for byte. `arriving`: nothing in a payload tells that it
 * comes again. `redefined`: as timed ones, under a profile whose windows a test may change while it runs.
 */
import { expect } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { type AgentProcess, replay } from "./agent-process.js";
import { Load, type Message } from "./mqtt-load.js";
import {
  ARRIVAL_PROFILE,
  closing,
  expectAccounted,
  isClosing,
  NUMBERED_PROFILE,
  numbered,
  placed,
  totals,
  totalsOf,
} from "./numbered-readings.js";
import type { Seeded } from "./seeded.js";
import { until } from "./tools.js";
import { bodies, type Summaries } from "./upstream.js";

export const REDEFINED_PROFILE = NUMBERED_PROFILE.replace("id: numbered", "id: redefined").replace(
  "n/{device}",
  "r/{device}",
);
/** The definitions of a window that take turns. */
export const DEFINITIONS = [
  REDEFINED_PROFILE,
  REDEFINED_PROFILE.replace("name: 5s, tumbling: 5s", "name: 5s, tumbling: 3s"),
] as const;

export const FLEET_PROFILES = {
  numbered: NUMBERED_PROFILE,
  arriving: ARRIVAL_PROFILE,
  redefined: REDEFINED_PROFILE,
};

type Kind = "timed" | "arriving" | "redefined";
const COUNTS: Readonly<Record<Kind, number>> = { timed: 8, arriving: 6, redefined: 6 };
const TOPICS: Readonly<Record<Kind, string>> = { timed: "n", arriving: "a", redefined: "r" };
/** How many readings later one may come: within the lateness, and for the timed ones behind the watermark. */
const DISORDER: Readonly<Record<Kind, number>> = { timed: 70, arriving: 0, redefined: 40 };
const INFLIGHT_MAX = 4;
/** Makes the journal grow as it does in a long life, so that there are checkpoints. */
const NOTE = "text that makes payloads longer than those of the field are. ".repeat(4);

/** One device: an endless list of messages, until it is told to come to an end. */
class Device {
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

  *[Symbol.iterator](): Generator<Message> {
    for (const payload of this.#payloads()) {
      this.sent.push(payload);
      yield { topic: `${TOPICS[this.kind]}/${this.name}`, payload };
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

/** What became of the readings. */
export interface Account {
  readonly readings: number;
  /** Readings that are in no window, or in one more than once, or in one that is not theirs; by what they are. */
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  readonly misplaced: readonly string[];
}

export interface FleetOptions {
  readonly port: number;
  readonly random: Seeded;
  /** The port is that of a broker that the agent reads from, at its own pace: so many messages each at first. */
  readonly firstMax?: number;
}

export class Fleet {
  readonly load: Load;
  readonly #devices: readonly Device[];
  readonly #direct: boolean;

  constructor({ port, random, firstMax }: FleetOptions) {
    this.#direct = firstMax === undefined;
    this.#devices = (Object.keys(COUNTS) as Kind[]).flatMap((kind) =>
      Array.from({ length: COUNTS[kind] }, (_, i) => new Device(kind, i, random)),
    );
    this.load = new Load(
      this.#devices.map((device, i) => ({
        port,
        clientId: device.name,
        messages: device,
        qos: i % 2 === 0 ? (1 as const) : (2 as const),
        inflightMax: INFLIGHT_MAX,
        ...(firstMax === undefined ? {} : { firstMax }),
      })),
    );
  }

  /** Readings that were handed out for sending, and those that are held back. */
  get readings(): number {
    return this.#devices.reduce((sum, { count }) => sum + count, 0);
  }

  /** What the agent has accepted when it has everything. */
  get accepted(): number {
    return this.#devices.reduce((sum, device) => sum + acceptedOf(device), 0);
  }

  /** Every device sends what it has held back and the reading that closes its windows. */
  async finish(): Promise<void> {
    for (const device of this.#devices) device.ending = true;
    this.load.allow(Number.POSITIVE_INFINITY);
    await this.load.finished();
  }

  #of(kind: Kind): readonly Device[] {
    return this.#devices.filter((device) => device.kind === kind);
  }

  #readingsOf(kind: Kind): number {
    return this.#of(kind).reduce((sum, { count }) => sum + count, 0);
  }

  /** Waits until upstream has what the agent's log has; the last of it comes last. To be called after `finish`. */
  async delivered(agent: AgentProcess, received: Summaries): Promise<void> {
    const last = (await agent.summaries()).at(-1);
    await until(() => last === undefined || received.lines.lastIndexOf(last) >= 0, {
      what: "upstream has what the log has",
    }).catch((error: Error) => {
      throw new Error(`${error.message}, the last of which is ${last}\n${agent.tail()}`);
    });
  }

  /** Waits until silence has closed the windows of arrival time, and upstream has them. */
  async #silent(received: Summaries): Promise<void> {
    const wanted = this.#readingsOf("arriving");
    const counted = (): number =>
      of(received, "arriving").reduce((sum, { quality }) => sum + quality.accepted, 0);
    await until(() => counted() >= wanted, {
      what: "silence has closed the windows of arrival time",
    }).catch((error: Error) => {
      throw new Error(`${error.message}: ${counted()} of ${wanted} readings are in one`);
    });
  }

  /** Where every reading with an event time is, by what upstream has. */
  account(received: Summaries): Account {
    const account = { readings: this.readings, lost: [], doubled: [], misplaced: [] };
    const found: Record<"lost" | "doubled" | "misplaced", string[]> = account;
    for (const { name, count } of [...this.#of("timed"), ...this.#of("redefined")]) {
      const own = received
        .latest()
        .filter((summary) => summary.device === name && !isClosing(summary, count));
      for (const window of ["5s", "20s"]) {
        const { times, misplaced } = placed(
          own.filter((summary) => summary.window.name === window),
          count,
        );
        found.lost.push(...indexed(name, window, times, (n) => n === 0));
        found.doubled.push(...indexed(name, window, times, (n) => n > 1));
        found.misplaced.push(...misplaced);
      }
    }
    return account;
  }

  /** Holds agent and upstream to the promises. To be called after `finish`. */
  async expectKept(agent: AgentProcess, received: Summaries): Promise<void> {
    await this.delivered(agent, received);
    expect(received.contradictions, "one revision says one thing").toEqual([]);
    const { readings } = this;
    expect(this.account(received)).toEqual({ readings, lost: [], doubled: [], misplaced: [] });
    await this.#silent(received);
    await this.delivered(agent, received);
    expect(received.contradictions).toEqual([]);
    expect(received.gaps(), "revisions without gaps").toEqual([]);
    for (const { name, count } of this.#of("arriving")) {
      const own = of(received, name);
      expect(totals(own), `${name}: count and sum`).toEqual(totalsOf(count));
    }
    const sent = this.#of("timed").flatMap((device) => device.sent);
    const uninterrupted = await replay(NUMBERED_PROFILE, sent);
    const counts = new Map(this.#devices.map(({ name, count }) => [name, count]));
    const early = (summary: Summary) => !isClosing(summary, counts.get(summary.device)!);
    expect(bodies(of(received, "timed").filter(early))).toEqual(
      bodies(uninterrupted.summaries.filter(early)),
    );
    const redefined = of(received, "redefined").filter(early);
    expect(redefined.filter(({ final }) => !final)).toEqual([]);
    // The log holds each revision once, and the first arrivals upstream are in its order.
    expect(received.first).toEqual(await agent.summaries());
    await this.#expectCounts(agent);
  }

  async #expectCounts(agent: AgentProcess): Promise<void> {
    const { byDevice } = await agent.status();
    expectAccounted(byDevice);
    expect(byDevice.length).toBe(this.#devices.length);
    for (const [i, { name, kind, count, sent }] of this.#devices.entries()) {
      const counts = byDevice.find((each) => each.device === name)!;
      expect(counts.accepted, name).toBe(acceptedOf({ kind, count }));
      expect(counts.received, name).toBeGreaterThanOrEqual(sent.length);
      // A broker in between may repeat itself as often as it likes.
      if (this.#direct)
        expect(counts.received, name).toBeLessThanOrEqual(sent.length + this.load.clients[i]!.repeated);
    }
  }
}

/** Closing readings are beside the count. */
function acceptedOf({ kind, count }: Pick<Device, "kind" | "count">): number {
  return count + (kind === "arriving" ? 0 : 1);
}

/** The latest of those devices whose names begin so. */
function of(received: Summaries, begin: string): Summary[] {
  const whole = /\d$/.test(begin);
  return received
    .latest()
    .filter(({ device }) => (whole ? device === begin : device.startsWith(`${begin}-`)));
}

function indexed(
  device: string,
  window: string,
  times: readonly number[],
  wanted: (times: number) => boolean,
): string[] {
  return times.flatMap((n, i) => (wanted(n) ? [`${device} ${window} #${i}: ${n} times`] : []));
}
