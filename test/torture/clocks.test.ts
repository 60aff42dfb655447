/**
 * Wrong clocks: a real agent whose wall clock starts in 1970, is set, and is stepped by seconds, hours and fifty years
 * while devices send; killed in between. Every acknowledged reading is in exactly one window, and in the right one as
 * far as the clock could be believed; or it is counted under a reason that is true.
 */
import { expect, it } from "vitest";
import { AgentProcess } from "../helpers/agent-process.js";
import { LONG, rounds, tell } from "../helpers/campaign.js";
import { FLEET_PROFILES } from "../helpers/endless-device.js";
import { FakeClock } from "../helpers/fake-clock.js";
import { Fleet } from "../helpers/fleet.js";
import { startMosquitto } from "../helpers/mosquitto.js";
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
import { Summaries, subscribeUpstream } from "../helpers/upstream.js";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const YEAR = 365 * 24 * HOUR;
/** The steps that are asked of a gateway, and the one that a gateway without a battery makes at boot. */
const STEPS: readonly number[] = [5 * SECOND, -5 * SECOND, 2 * HOUR, -2 * HOUR, 50 * YEAR, -50 * YEAR];
const TIMEOUT_MS = LONG ? 600_000 : 180_000;

const ROUNDS = rounds(1, 4);
const READINGS = 5;
const STEPS_UNDER_LOAD = rounds(12, 120);

/** As the devices without event time, but each says when, and nobody believes an hour's difference. */
const SAYING_PROFILE = ARRIVAL_PROFILE.replace("id: arriving", "id: saying")
  .replace("a/{device}", "b/{device}")
  .replace(
    "time: { idle",
    "time: { from: /t, format: epoch-ms, outOfOrderness: 0s, maxPast: 10m, maxFuture: 1m, idle",
  );

interface Phase {
  readonly aheadMs: number;
  /** Number of its first reading, and of the one behind its last. */
  readonly from: number;
  readonly to: number;
  readonly beganMs: number;
  readonly endedMs: number;
}

/** Whether a clock that is so far ahead can be believed. */
function believable(aheadMs: number): boolean {
  return Math.abs(aheadMs) < YEAR;
}

describeWithTools(["faketime"], "a gateway whose clock is wrong", () => {
  it("has each reading in its window when the clock could be believed or has been set since, and counts the rest", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const random = seeded("clocks");
    const clock = await FakeClock.create();
    const port = await freePort();
    const agent = await AgentProcess.prepare({
      config: [
        "commit: { maxDelay: 20ms }",
        `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}" }]`,
        'targets: [{ name: archive, type: file, path: archive.jsonl, schedule: "*/2 * * * * *" }]',
      ].join("\n"),
      profiles: { arriving: ARRIVAL_PROFILE, saying: SAYING_PROFILE },
      env: clock.env,
    });
    const names = ["a/arriving-0", "a/arriving-1", "b/saying-0", "b/saying-1"];
    const load = new Load(
      names.map((topic) => ({
        ...{ port, clientId: topic.slice(2), messages: messages(topic), qos: 1 as const },
        ...{ inflightMax: 1, firstMax: 0 },
      })),
    );
    const phases: Phase[] = [];
    let sent = 0;
    const phase = async (aheadMs: number, kill: boolean): Promise<void> => {
      clock.set(aheadMs);
      const beganMs = Date.now();
      const wanted = (sent + READINGS) * names.length;
      load.allow(READINGS);
      if (kill) {
        await moment(random.below(30));
        await agent.kill();
        agent.spawn();
      }
      await until(() => load.acknowledged === wanted, { what: "the readings of this time are acknowledged" });
      phases.push({ aheadMs, from: sent, to: sent + READINGS, beganMs, endedMs: Date.now() });
      sent += READINGS;
    };

    // Seconds, as the file wants them.
    const unsetMs = () => 10 * SECOND - Math.floor(Date.now() / SECOND) * SECOND;
    clock.set(unsetMs());
    await agent.start();
    load.start();
    await phase(clock.aheadMs, false);
    await phase(clock.aheadMs, true);
    await phase(clock.aheadMs, false);
    await phase(0, false);
    let kills = 1;
    for (let round = 0; round < ROUNDS; round++) {
      const steps = random.disordered([...STEPS.map((step) => () => step), unsetMs], 10);
      for (const step of steps) {
        const kill = random.below(4) === 0;
        if (kill) kills++;
        await phase(step(), kill);
        await phase(0, false);
      }
    }
    expect(sent).toBeLessThanOrEqual(READINGS_MAX);
    await until(
      async () => {
        const { waiting, byDevice } = await agent.status();
        return waiting === 0 && byDevice.every(({ openWindows }) => openWindows === 0);
      },
      { what: "silence has closed every window" },
    );
    const { byDevice } = await agent.status();
    expectAccounted(byDevice);
    let received = new Summaries();
    const homesIn = (device: string) =>
      homesOf(received.latest().filter((summary) => summary.device === device));
    // The status knows of a window that is closed before the summary is in the log.
    await until(
      async () => {
        received = new Summaries();
        for (const line of await agent.summaries()) received.add(line);
        return byDevice.every(({ device, accepted }) => homesIn(device).size === accepted);
      },
      { what: "every reading is in a summary" },
    ).catch(() => undefined);
    expect(received.contradictions).toEqual([]);
    expect(received.gaps()).toEqual([]);
    const repeated = load.repeated;
    for (const topic of names) {
      const device = topic.slice(2);
      const counts = byDevice.find((each) => each.device === device)!;
      const homes = homesIn(device);
      const wrong = phases.flatMap((each) => misplaced(each, topic.startsWith("b"), homes));
      expect(wrong, device).toEqual([]);
      expect(homes.size, device).toBe(counts.accepted);
      const seeming = (test: (aheadMs: number) => boolean) =>
        topic.startsWith("a") ? 0 : phases.filter(({ aheadMs }) => test(aheadMs)).length * READINGS;
      const { past = 0, future = 0, duplicate = 0, ...others } = counts.rejected;
      expect(others, device).toEqual({});
      expectAbout(
        past,
        seeming((aheadMs) => aheadMs === 2 * HOUR),
        repeated,
      );
      expectAbout(
        future,
        seeming((aheadMs) => aheadMs === -2 * HOUR),
        repeated,
      );
      expect(duplicate).toBeLessThanOrEqual(repeated);
    }
    // Its schedule has come through all these times, too.
    // There is no file before the first time, and the clock may have been stepped away from every one so far.
    const archived = () => agent.lines("archive.jsonl").catch(() => []);
    await until(async () => (await archived()).length >= received.first.length, {
      what: "the archive has everything",
    });
    expect(await archived()).toEqual(received.first);
    const figures = `${phases.length} settings of the clock, ${kills} kills, ${sent * names.length} acknowledged readings`;
    const parts = received.latest().filter(({ id }) => /\/\d+$/.test(id)).length;
    tell("clocks", `${figures}, 0 lost, 0 doubled, 0 misplaced; ${parts} windows told apart by their part`);
  });

  it("is told of in the log also when it was set, or set back, while the agent was away", async () => {
    const clock = await FakeClock.create();
    const port = await freePort();
    const agent = await AgentProcess.prepare({
      config: `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}" }]`,
      profiles: { arriving: ARRIVAL_PROFILE },
      env: clock.env,
    });
    const load = new Load([
      { port, clientId: "d", messages: messages("a/d"), qos: 1, inflightMax: 1, firstMax: 0 },
    ]);
    const life = async (aheadMs: number) => {
      await agent.kill();
      clock.set(aheadMs);
      await agent.start();
      const wanted = load.acknowledged + 1;
      load.allow(1);
      await until(() => load.acknowledged === wanted, { what: "a reading is acknowledged" });
      const said = agent.log.slice(agent.log.findLastIndex(({ event }) => event === "state-recovered"));
      return said.map(({ event }) => event).filter((event) => event.startsWith("clock-"));
    };
    load.start();
    expect(await life(10 * SECOND - Math.floor(Date.now() / SECOND) * SECOND)).toEqual(["clock-unset"]);
    expect(await life(2 * HOUR)).toEqual(["clock-set"]);
    expect(await life(0)).toEqual(["clock-behind"]);
    expect(await life(0)).toEqual([]);
  });

  describeWithTools(["mosquitto"], "under the load of twenty devices", () => {
    it("loses and doubles nothing, whenever the clock is stepped and the process killed", {
      timeout: TIMEOUT_MS,
    }, async () => {
      const random = seeded("clocks under load");
      const clock = await FakeClock.create();
      const port = await freePort();
      const upstream = await startMosquitto();
      const received = await subscribeUpstream(upstream.url);
      const agent = await AgentProcess.prepare({
        config: [
          "store: { path: store, journalBytesMax: 262144 }",
          "commit: { maxDelay: 20ms }",
          `sources: [{ name: local, type: broker, listen: "127.0.0.1:${port}" }]`,
          `targets: [{ name: cloud, type: mqtt, url: "${upstream.url}" }]`,
        ].join("\n"),
        profiles: FLEET_PROFILES,
        env: clock.env,
      });
      const fleet = new Fleet({ port, random });
      clock.set(-56 * YEAR);
      await agent.start();
      fleet.load.start();
      await fleet.load.progress(100);
      clock.set(0);
      let kills = 0;
      let order: readonly number[] = [];
      for (let i = 0; i < STEPS_UNDER_LOAD; i++) {
        await agent.logged("agent-started");
        await fleet.load.progress(random.below(200));
        // There and back; every step in turn.
        if (i % (2 * STEPS.length) === 0) order = random.disordered(STEPS, STEPS.length);
        clock.set(i % 2 === 0 ? order[(i / 2) % STEPS.length]! : 0);
        if (random.below(4) > 0) continue;
        await moment(random.below(100));
        await agent.kill();
        agent.spawn();
        kills++;
      }
      await agent.logged("agent-started");
      clock.set(0);
      await fleet.finish();
      await fleet.expectKept(agent, received);
      const stepped = agent.log.filter(({ event }) => event === "clock-stepped").length;
      expect(stepped).toBeGreaterThan(0);
      expect(agent.log.filter(({ level }) => level === "error")).toEqual([]);
      tell(
        "clocks under load",
        `${STEPS_UNDER_LOAD} steps and ${kills} kills; ${fleet.load.acknowledged} acknowledged, 0 lost, 0 doubled`,
      );
    });
  });
});

/** Readings of one device without end; those of b/ say when. */
function* messages(topic: string): Generator<Message> {
  for (let i = 0; ; i++) {
    const time = topic.startsWith("b") ? { t: Date.now() } : {};
    yield { topic, payload: JSON.stringify({ ...time, ...numberedField(i) }) };
  }
}

/** Stamps stand still for a clock that has gone back, from five seconds ahead to five seconds behind at most. */
const STANDING_MS_MAX = 11 * SECOND;

/** What is wrong with the readings of one phase: in no window, in several, or in one of another time. */
function misplaced(phase: Phase, says: boolean, homes: ReadonlyMap<number, readonly number[]>): string[] {
  const { aheadMs, beganMs, endedMs, from, to } = phase;
  const refused = says && Math.abs(aheadMs) === 2 * HOUR;
  const shiftMs = says || !believable(aheadMs) ? 0 : aheadMs;
  const wrong: string[] = [];
  for (let i = from; i < to; i++) {
    const starts = homes.get(i) ?? [];
    const [start] = starts;
    // A message is made when the one before it goes out, so that of a phase may be as old as the last one.
    const earliestMs = beganMs + shiftMs - (says ? 60 : 2) * SECOND;
    const right =
      start === undefined
        ? refused
        : !refused &&
          starts.length === 1 &&
          start >= earliestMs &&
          start <= endedMs + shiftMs + STANDING_MS_MAX;
    const when = `${new Date(beganMs).toISOString()} to ${new Date(endedMs).toISOString()}`;
    const where = starts.map((ms) => new Date(ms).toISOString()).join(" ");
    if (!right) wrong.push(`reading ${i} of ${when}, clock ${aheadMs / SECOND} s ahead: in ${where}`);
  }
  return wrong;
}

/** A reading that came again because of a kill was refused again. */
function expectAbout(count: number, wanted: number, repeatedMax: number): void {
  expect(count).toBeGreaterThanOrEqual(wanted);
  expect(count).toBeLessThanOrEqual(wanted + repeatedMax);
}
