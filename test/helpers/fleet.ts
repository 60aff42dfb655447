/**
 * Twenty devices that go on and on under whatever a test does to the agent, and the account of their readings: each
 * that was acknowledged has to be in its window upstream, once. Ten speak QoS 1 and ten QoS 2.
 *
 * Devices of three kinds. `timed`: event time, out of order, some readings twice, some payloads broken; their
 * summaries have to be those of an uninterrupted run, byte for byte. `arriving`: nothing in a payload tells that it
 * comes again. `redefined`: as timed ones, under a profile whose windows a test may change while it runs. A fleet of
 * `short` ones instead has a window for each reading, so that the log fills up.
 */
import { expect } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { type AgentProcess, replay } from "./agent-process.js";
import { EndlessDevice, type Kind } from "./endless-device.js";
import { Load } from "./mqtt-load.js";
import {
  expectAccounted,
  isClosing,
  NUMBERED_PROFILE,
  placed,
  totals,
  totalsOf,
} from "./numbered-readings.js";
import type { Seeded } from "./seeded.js";
import { until } from "./tools.js";
import { bodies, type Summaries } from "./upstream.js";

type Counts = Readonly<Partial<Record<Kind, number>>>;
const COUNTS: Counts = { timed: 8, arriving: 6, redefined: 6 };
/** Windows by the name that they have in the profile, whatever the log makes of them. */
const WINDOWS: Readonly<Record<Kind, readonly string[]>> = {
  timed: ["5s", "20s"],
  arriving: [],
  redefined: ["5s", "20s"],
  short: ["100ms"],
};
const INFLIGHT_MAX = 4;
/** Of each kind of wrong, in a failure. */
const SHOWN_MAX = 20;

/** What became of the readings. */
export interface Account {
  /** Readings that are in no window, or in one more than once, or in one that is not theirs; by what they are. */
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  readonly misplaced: readonly string[];
}

export interface FleetOptions {
  readonly port: number;
  /** Default: the loopback. */
  readonly host?: string;
  readonly random: Seeded;
  /** The port is that of a broker that the agent reads from, at its own pace: so many messages each at first. */
  readonly firstMax?: number;
  /** Devices by kind. */
  readonly counts?: Counts;
}

export class Fleet {
  readonly load: Load;
  readonly #devices: readonly EndlessDevice[];
  readonly #direct: boolean;

  constructor({ port, host = "127.0.0.1", random, firstMax, counts = COUNTS }: FleetOptions) {
    this.#direct = firstMax === undefined;
    this.#devices = (Object.keys(counts) as Kind[]).flatMap((kind) =>
      Array.from({ length: counts[kind]! }, (_, i) => new EndlessDevice(kind, i, random)),
    );
    this.load = new Load(
      this.#devices.map((device, i) => ({
        port,
        host,
        clientId: device.name,
        messages: device,
        qos: i % 2 === 0 ? (1 as const) : (2 as const),
        inflightMax: INFLIGHT_MAX,
        ...(firstMax === undefined ? {} : { firstMax }),
      })),
    );
  }

  /** That of each device. */
  get topics(): readonly string[] {
    return this.#devices.map(({ topic }) => topic);
  }

  /** Readings that were handed out for sending, and those that are held back. */
  get readings(): number {
    return this.#devices.reduce((sum, { count }) => sum + count, 0);
  }

  /** Waits until the agent has read everything of every device; a reading counted twice does not stand for another. */
  async taken(agent: AgentProcess, timeoutMs?: number): Promise<void> {
    const lacking = async (): Promise<string[]> => {
      const { byDevice } = await agent.status();
      return this.#devices.flatMap((device) => {
        const counts = byDevice.find((each) => each.device === device.name);
        const wanted = acceptedOf(device);
        if ((counts?.accepted ?? 0) >= wanted) return [];
        return [`${device.name} has not all of ${wanted}: ${JSON.stringify(counts)}`];
      });
    };
    await until(async () => (await lacking()).length === 0, {
      what: "the agent has read it all",
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    }).catch(async (error: Error) => {
      const { sources } = await agent.status();
      const about = [...(await lacking()), ...sources.map((source) => JSON.stringify(source))];
      throw new Error([error.message, ...about, agent.tail()].join("\n"));
    });
  }

  /** Every device sends what it has held back and the reading that closes its windows. */
  async finish(): Promise<void> {
    for (const device of this.#devices) device.ending = true;
    this.load.allow(Number.POSITIVE_INFINITY);
    await this.load.finished();
  }

  #of(kind: Kind): readonly EndlessDevice[] {
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
    const account = { lost: [], doubled: [], misplaced: [] };
    const found: Record<"lost" | "doubled" | "misplaced", string[]> = account;
    for (const { name, kind, count } of this.#devices) {
      const own = received
        .latest()
        .filter((summary) => summary.device === name && !isClosing(summary, count));
      for (const window of WINDOWS[kind]) {
        const those = own.filter((summary) => windowOf(summary) === window);
        const { times, misplaced } = placed(those, count);
        found.lost.push(...indexed(name, window, times, (n) => n === 0));
        found.doubled.push(...indexed(name, window, times, (n) => n > 1));
        found.misplaced.push(...misplaced);
      }
    }
    return account;
  }

  /** Holds what upstream has to the promises, whatever became of the log: nothing lost, nothing twice. */
  async expectEachOnce(agent: AgentProcess, received: Summaries): Promise<void> {
    // What the agent counts as accepted may still be on its way to the disk, and its summaries in no log.
    const placedAll = () => this.account(received).lost.length === 0;
    await until(placedAll, { what: "every reading is in a window upstream" }).catch(() => undefined);
    await this.delivered(agent, received);
    expect(received.contradictions, "one revision says one thing").toEqual([]);
    const { lost, doubled, misplaced } = this.account(received);
    const wrong = [lost, doubled, misplaced].map((all) => [all.length, ...all.slice(0, SHOWN_MAX)]);
    expect(wrong, "lost, doubled, in the wrong window").toEqual([[0], [0], [0]]);
    await this.#expectCounts(agent);
  }

  /** Holds agent and upstream to the promises. To be called after `finish`. */
  async expectKept(agent: AgentProcess, received: Summaries): Promise<void> {
    const log = await agent.summaries();
    const missing = () => log.filter((line) => !received.first.includes(line));
    await until(() => received.first.length >= log.length && missing().length === 0, {
      what: "upstream has all of the log",
    }).catch((error: Error) => {
      throw new Error(
        `${error.message}; it lacks ${missing().length}: ${missing().slice(0, 3).join("\n")}\n${agent.tail()}`,
      );
    });
    await this.expectEachOnce(agent, received);
    await this.#silent(received);
    await this.delivered(agent, received);
    expect(received.contradictions).toEqual([]);
    // The log holds each revision once, and the first arrivals upstream are in its order.
    expect(received.first).toEqual(await agent.summaries());
    expect(received.gaps(), "revisions without gaps").toEqual([]);
    for (const { name, count } of this.#of("arriving")) {
      const own = of(received, name);
      expect(totals(own), `${name}: count and sum`).toEqual(totalsOf(count));
    }
    await this.#expectUninterrupted(received);
  }

  /** Byte for byte, what an agent says that nothing happens to. */
  async #expectUninterrupted(received: Summaries): Promise<void> {
    const sent = this.#of("timed").flatMap((device) => device.sent);
    const uninterrupted = await replay(NUMBERED_PROFILE, sent);
    const counts = new Map(this.#devices.map(({ name, count }) => [name, count]));
    const early = (summary: Summary) => !isClosing(summary, counts.get(summary.device)!);
    expect(bodies(of(received, "timed").filter(early))).toEqual(
      bodies(uninterrupted.summaries.filter(early)),
    );
    const redefined = of(received, "redefined").filter(early);
    expect(redefined.filter(({ final }) => !final)).toEqual([]);
    const unchanged = redefined.filter(({ window }) => window.name === "20s");
    expect(unchanged.filter(({ reconfigured }) => reconfigured)).toEqual([]);
  }

  /** Windows that a change of their definition closed. */
  reconfigured(received: Summaries): number {
    return received.latest().filter(({ reconfigured }) => reconfigured === true).length;
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

function windowOf({ window }: Summary): string | undefined {
  return window.coarsened?.from ?? window.name;
}

/** Closing readings are beside the count. */
function acceptedOf({ kind, count }: Pick<EndlessDevice, "kind" | "count">): number {
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
