/**
 * The days on which a zone sets its clocks, and a leap second: a real agent whose wall clock passes through them while
 * devices send, with and without a time of their own; killed in between. Every acknowledged reading is in the right day
 * and the right hour, and the days have 23 and 25 hours.
 */
import { expect, it } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { AgentProcess } from "../helpers/agent-process.js";
import { rounds, tell } from "../helpers/campaign.js";
import { FakeClock } from "../helpers/fake-clock.js";
import { Load, type Message } from "../helpers/mqtt-load.js";
import {
  ARRIVAL_PROFILE,
  expectAccounted,
  homesOf,
  numberedField,
  READINGS_MAX,
} from "../helpers/numbered-readings.js";
import { moment, seeded } from "../helpers/seeded.js";
import { describeWithTools, freePort, until } from "../helpers/tools.js";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;
const ZONE = "Europe/Berlin";
const TIMEOUT_MS = 120_000;
/** Readings to a kill. */
const KILL_ONE_IN = rounds(20, 5);

const DAYS_PROFILE = ARRIVAL_PROFILE.replace("idleTimeout: 1s", "idleTimeout: never").replace(
  "  - { name: 1s, tumbling: 1s,",
  `  - { name: day, tumbling: 1d, zone: ${ZONE}, fields: { "*": [count, sum] } }\n  - { name: hour, tumbling: 1h,`,
);
const SAYING_PROFILE = DAYS_PROFILE.replace("id: arriving", "id: saying")
  .replace("a/{device}", "b/{device}")
  .replace("time: {", "time: { from: /t, format: iso, outOfOrderness: 0s, maxPast: never, maxFuture: never,");

/** What the zone's clocks are ahead of UTC by. */
function offsetAt(ms: number): number {
  const format = new Intl.DateTimeFormat("en", { timeZone: ZONE, timeZoneName: "longOffset" });
  const name = format.formatToParts(ms).find(({ type }) => type === "timeZoneName")!.value;
  const [, hours, minutes] = /^GMT\+(\d\d):(\d\d)$/.exec(name)!;
  return Number(hours) * HOUR + Number(minutes) * 60 * SECOND;
}

function startOfDay(ms: number): number {
  const midnight = Math.floor((ms + offsetAt(ms)) / DAY) * DAY;
  return midnight - offsetAt(midnight - offsetAt(ms));
}

const startOfHour = (ms: number) => Math.floor(ms / HOUR) * HOUR;

/** The next two hours at whose beginning the zone's clocks are set. */
function nextChanges(): number[] {
  const changes: number[] = [];
  for (let ms = startOfHour(Date.now()) + 2 * DAY; changes.length < 2; ms += HOUR) {
    if (offsetAt(ms) !== offsetAt(ms - HOUR)) changes.push(ms);
  }
  return changes;
}

/** A reading, by the times of the gateway's clock. */
interface Sent {
  readonly sentMs: number;
  ackedMs: number;
}

/** Readings of one device without end; those of b/ say when. Made when they go out, and then kept. */
function* messages(topic: string, sent: Sent[], wallMs: () => number): Generator<Message> {
  for (let i = 0; ; i++) {
    let made: string | undefined;
    yield {
      topic,
      get payload() {
        if (made !== undefined) return made;
        const sentMs = wallMs();
        sent.push({ sentMs, ackedMs: Number.NaN });
        const time = topic.startsWith("b") ? { t: new Date(sentMs).toISOString() } : {};
        made = JSON.stringify({ ...time, ...numberedField(i) });
        return made;
      },
    };
  }
}

/** What is wrong with where the readings of a device are. @param startOf of the window of an instant */
function misplaced(
  topic: string,
  sent: readonly Sent[],
  summaries: readonly Summary[],
  startOf: (ms: number) => number,
): string[] {
  const homes = homesOf(summaries);
  return sent.flatMap(({ sentMs, ackedMs }, i) => {
    const [start, ...others] = homes.get(i) ?? [];
    // One that does not say when is of some time before it was acknowledged.
    const mayBe = topic.startsWith("b") ? [sentMs] : [sentMs, ackedMs];
    if (others.length === 0 && mayBe.some((ms) => startOf(ms) === start)) return [];
    const where = [start, ...others].map((ms) => (ms === undefined ? "none" : new Date(ms).toISOString()));
    return [`${topic}, reading ${i} of ${new Date(sentMs).toISOString()}: in ${where.join(" ")}`];
  });
}

describeWithTools(["faketime"], "a gateway in a zone that sets its clocks", () => {
  it("has every reading in its day and its hour, whenever it is killed", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("daylight saving");
    const clock = await FakeClock.create();
    const wallMs = () => Date.now() + clock.aheadMs;
    const { agent, port } = await prepared(clock);
    const devices = ["a/silent", "b/saying"].map((topic) => {
      const sent: Sent[] = [];
      const rest = { qos: 1 as const, inflightMax: 1, firstMax: 0 };
      const load = new Load([
        { port, clientId: topic.slice(2), messages: messages(topic, sent, wallMs), ...rest },
      ]);
      return { topic, sent, load };
    });
    const once = async () => {
      const wanted = devices[0]!.load.acknowledged + 1;
      for (const { load } of devices) load.allow(1);
      await until(() => devices.every(({ load }) => load.acknowledged === wanted), {
        what: "the readings are acknowledged",
      });
      for (const { sent } of devices) sent.at(-1)!.ackedMs = wallMs();
    };
    let kills = 0;
    /** Sends for a while before and after a moment. */
    const passThrough = async (ms: number) => {
      clock.set(Math.floor((ms - SECOND / 2 - Date.now()) / SECOND) * SECOND);
      while (wallMs() < ms + SECOND / 2) {
        const acknowledged = once();
        if (random.below(KILL_ONE_IN) === 0) {
          await moment(random.below(30));
          await agent.kill();
          agent.spawn();
          kills++;
        }
        await acknowledged;
        await moment(random.below(150));
      }
    };
    const changes = nextChanges();
    const lastMs = startOfDay(changes[1]! + 3 * DAY);
    clock.set(Math.floor((startOfDay(changes[0]!) - HOUR - Date.now()) / SECOND) * SECOND);
    await agent.start();
    for (const { load } of devices) load.start();
    for (const change of changes) {
      await passThrough(startOfDay(change));
      await passThrough(change);
      await passThrough(startOfDay(startOfDay(change) + DAY + 2 * HOUR));
    }
    const count = devices[0]!.load.acknowledged;
    await passThrough(lastMs);
    expect(devices[0]!.load.acknowledged).toBeLessThan(READINGS_MAX);

    // A kill behind the last acknowledgement is possible.
    await agent.logged("agent-started");
    expectAccounted((await agent.status()).byDevice);
    const summaries = (await agent.summaries()).map((line) => JSON.parse(line) as Summary);
    const closed = summaries.filter(({ final, window }) => final && Date.parse(window.end!) <= lastMs);
    for (const { topic, sent } of devices) {
      const of = (name: string) =>
        closed.filter(({ device, window }) => device === topic.slice(2) && window.name === name);
      const before = sent.slice(0, count);
      expect(misplaced(topic, before, of("day"), startOfDay)).toEqual([]);
      expect(misplaced(topic, before, of("hour"), startOfHour)).toEqual([]);
      const lengths = of("day").map(({ window }) => Date.parse(window.end!) - Date.parse(window.start!));
      expect(new Set(lengths)).toEqual(new Set([23 * HOUR, 24 * HOUR, 25 * HOUR]));
    }
    tell("daylight saving", `${2 * count} readings and ${kills} kills, 0 lost, 0 doubled, 0 misplaced`);
  });

  it("has what is stamped in a leap second in the next day", { timeout: TIMEOUT_MS }, async () => {
    const { agent, port } = await prepared(await FakeClock.create());
    const stamps = ["23:59:58.5", "23:59:59.5", "23:59:60", "23:59:60.5"].map(
      (time) => `2026-12-31T${time}Z`,
    );
    stamps.push("2027-01-01T00:00:00.75Z", "2027-01-03T00:00:00Z");
    const made = stamps.map((t, i) => ({
      topic: "b/leaping",
      payload: JSON.stringify({ t, ...numberedField(i) }),
    }));
    await agent.start();
    const load = new Load([{ port, clientId: "leaping", messages: made, qos: 1, inflightMax: 1 }]);
    load.start();
    await until(() => load.acknowledged === made.length, { what: "all are acknowledged" });
    const summaries = (await agent.summaries()).map((line) => JSON.parse(line) as Summary);
    const homes = homesOf(summaries.filter(({ window }) => window.name === "hour"));
    const [before, after] = [Date.UTC(2026, 11, 31, 23), Date.UTC(2027, 0, 1)];
    expect([0, 1, 2, 3, 4].map((i) => homes.get(i))).toEqual([[before], [before], [after], [after], [after]]);
  });
});

async function prepared(clock: FakeClock): Promise<{ readonly agent: AgentProcess; readonly port: number }> {
  const port = await freePort();
  const agent = await AgentProcess.prepare({
    config: [
      "commit: { maxDelay: 20ms }",
      `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}" }]`,
    ].join("\n"),
    profiles: { arriving: DAYS_PROFILE, saying: SAYING_PROFILE },
    env: clock.env,
  });
  return { agent, port };
}
