import { describe, expect, it } from "vitest";
import { Engine } from "../../../src/engine/engine.js";
import type { EngineProfile } from "../../../src/model/profile.js";
import type { Summary } from "../../../src/model/summary.js";
import { formatDuration } from "../../../src/model/time.js";
import type { WindowKind } from "../../../src/model/window.js";
import { entryBytes } from "../../../src/store/summary-log.js";
import { BlockMaker, engineProfile, tumbling } from "../../helpers/engine.js";
import { expectEachOnce, MARKED_MAX, marked, markedProfile, truth } from "../../helpers/marked-readings.js";
import { type ComingAndGoing, OutageWorld } from "../../helpers/outage-world.js";
import { seeded } from "../../helpers/seeded.js";
import type { OracleReading } from "../../oracle/oracle.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** A Sunday on which the clocks of Berlin are set back, less a day. */
const FIRST_MS = Date.UTC(2026, 9, 24, 5, 7);

/** What the engine makes of readings that come one by one, until there are no more. */
function firedBy(profile: EngineProfile, readings: readonly OracleReading[]): Summary[][] {
  const engine = new Engine({ gateway: "gw", devicesMax: 10, mergeable: true });
  engine.addProfile(profile);
  const blocks = new BlockMaker(profile);
  const fired = readings.map((reading) => engine.apply(blocks.block([reading])));
  return [...fired, engine.flush()].filter((summaries) => summaries.length > 0);
}

describe("a log that is full", () => {
  it("says of a coarse window, byte for byte, what a window of that size would have said", async () => {
    const sizes = [15 * MINUTE, HOUR, DAY];
    const fine = markedProfile({ type: "tumbling", sizeMs: MINUTE, offsetMs: 0 }, 0);
    const random = seeded("coarse windows");
    let timeMs = FIRST_MS;
    const own = Array.from({ length: MARKED_MAX }, (_, i) => {
      timeMs += 1 + random.below(40 * MINUTE);
      return marked("a", i, timeMs, random.next() * 10 ** random.below(12));
    });
    const windows = sizes.map((sizeMs): [number, Map<string, string>] => {
      const kind: WindowKind =
        sizeMs === DAY
          ? { type: "day", days: 1, zone: "Europe/Berlin" }
          : { type: "tumbling", sizeMs, offsetMs: 0 };
      const summaries = firedBy(markedProfile(kind, 0), own).flat();
      return [
        sizeMs,
        new Map(summaries.map((s) => [s.window.start!, JSON.stringify([s.window.end, s.fields])])),
      ];
    });
    const compared = new Set<number>();
    let pieces = 0;
    for (const logBytesMax of [30_000, 100_000]) {
      const world = new OutageWorld({
        below: random.below,
        targets: 1,
        logBytesMax,
        ladderMs: sizes,
        zone: "Europe/Berlin",
      });
      await world.start();
      world.targets[0]!.mode = "away";
      for (const summaries of firedBy(fine, own)) await world.commit(summaries);
      await world.drain();
      for (const { window, fields, quality, revision, final } of truth(world.targets[0]!.received)) {
        if (window.coarsened === undefined) continue;
        const size = windows.find(([sizeMs]) => window.name === `w~${formatDuration(sizeMs)}`)!;
        const whole = size[1].get(window.start!)!;
        expect({ revision, final }).toEqual({ revision: 0, final: true });
        if (quality.accepted < (JSON.parse(whole)[1].state.count as number)) {
          pieces++;
          continue;
        }
        expect(JSON.stringify([window.end, fields])).toBe(whole);
        compared.add(size[0]);
      }
    }
    // The first is cut where a batch is in doubt, the last where the readings end.
    expect(pieces).toBeLessThanOrEqual(8);
    expect([...compared]).toEqual(expect.arrayContaining([HOUR, DAY]));
  });

  it("drops the oldest, with an alarm and a count for each target, only when days do not fit", async () => {
    const profile = markedProfile({ type: "tumbling", sizeMs: HOUR, offsetMs: 0 }, 0);
    const own = Array.from({ length: MARKED_MAX }, (_, i) => marked("a", i, FIRST_MS + i * 5 * HOUR, i));
    const world = new OutageWorld({
      below: (below) => Math.min(1, below - 1),
      targets: 2,
      logBytesMax: 60_000,
      ladderMs: [DAY],
      zone: "UTC",
    });
    await world.start();
    for (const target of world.targets) target.mode = "away";
    const commits = firedBy(profile, own);
    for (const summaries of commits.slice(0, 100)) await world.commit(summaries);
    expect(world.recorder.named("log-coarsened").length).toBeGreaterThan(0);
    expect([world.store.log.dropped, world.recorder.named("log-unsent-dropped")]).toEqual([0, []]);
    world.targets[0]!.comeBack();
    await world.pass(1_000);
    world.targets[0]!.mode = "away";
    for (const summaries of commits.slice(100)) await world.commit(summaries);
    const { log } = world.store;
    expect(log.bytes).toBeLessThanOrEqual(60_000);
    expect(log.dropped).toBeGreaterThan(10);
    expect(world.recorder.events.find(({ name }) => name === "log-unsent-dropped")).toMatchObject({
      level: "error",
    });
    const kept = await log.read(0, { entriesMax: 1_000, bytesMax: 1e9 });
    const oldest = kept.slice(0, 20).map(({ json }) => (JSON.parse(json) as Summary).window.coarsened);
    // Up to a batch of seven is in doubt for the target that has never answered.
    expect(oldest.filter((coarsened) => coarsened !== undefined).length).toBeGreaterThanOrEqual(13);
    await world.drain();
    const readings = new Map([["a", own]]);
    const [first, second] = world.targets.map(({ received }) =>
      expectEachOnce(truth(received), profile, readings),
    );
    expect(first).toBeLessThan(second!);
    const told = (target: string) =>
      world.recorder
        .named("forward-dropped")
        .map((fields) => fields as { readonly target: string; readonly entries: number })
        .reduce((sum, fields) => sum + (fields.target === target ? fields.entries : 0), 0);
    expect(told("t1")).toBe(log.dropped);
    expect(told("t0")).toBeLessThan(told("t1"));
  });

  it("counts its bytes and entries exactly, and knows them again", async () => {
    const random = seeded("exact bytes");
    const profile = markedProfile({ type: "tumbling", sizeMs: MINUTE, offsetMs: 0 }, 3 * MINUTE);
    const own = Array.from({ length: 300 }, (_, i) => marked("a", i, FIRST_MS + i * 50_000, i));
    const commits = firedBy(profile, own);
    const world = new OutageWorld({
      below: random.below,
      targets: 2,
      logBytesMax: 40_000,
      ladderMs: [HOUR],
      zone: "UTC",
    });
    await world.start();
    world.targets[0]!.mode = "away";
    for (const summaries of commits) {
      await world.commit(summaries);
      if (random.below(10) === 0) await world.crash();
    }
    await world.pass(10_000);
    const stored = [...world.disk.entries].filter(([key]) => key.startsWith("l"));
    const exact = {
      entries: stored.length,
      bytes: stored.reduce((sum, [, value]) => sum + entryBytes(value), 0),
    };
    expect({ entries: world.store.log.count(), bytes: world.store.log.bytes }).toEqual(exact);
    const before = world.store.log;
    await world.crash();
    const { log } = world.store;
    expect({ entries: log.count(), bytes: log.bytes, head: log.head() }).toEqual({
      ...exact,
      head: before.head(),
    });
    expect([log.coarsened, log.superseded, log.dropped]).toEqual([
      before.coarsened,
      before.superseded,
      before.dropped,
    ]);
  });

  it("merges what is intact around a damaged summary, and reports that one as lost to the target", async () => {
    const profile = markedProfile({ type: "tumbling", sizeMs: MINUTE, offsetMs: 0 }, 0);
    const own = Array.from({ length: 200 }, (_, i) => marked("a", i, FIRST_MS + i * MINUTE, i));
    const world = new OutageWorld({
      below: () => 0,
      targets: 1,
      logBytesMax: 60_000,
      ladderMs: [HOUR],
      zone: "UTC",
    });
    await world.start();
    world.targets[0]!.mode = "away";
    for (const [i, summaries] of firedBy(profile, own).entries()) {
      await world.commit(summaries);
      if (i !== 40) continue;
      const [key, value] = [...world.disk.entries].filter(([each]) => each.startsWith("l"))[30]!;
      const damaged = value.slice();
      damaged[damaged.length >> 1]! ^= 1;
      world.disk.entries.set(key, damaged);
    }
    await world.drain();
    expect(world.recorder.named("log-entry-damaged").length).toBe(1);
    expect(world.store.log.coarsened).toBeGreaterThan(50);
    expect(expectEachOnce(truth(world.targets[0]!.received), profile, new Map([["a", own]]))).toBe(1);
    expect(world.store.log.dropped).toBe(0);
  });

  it("merges more windows into one than it takes at a time", async () => {
    const count = [{ field: 0, names: ["count", "min", "max"] }];
    const profile = engineProfile({ windows: [tumbling("1s", 1_000, count)] });
    const own = Array.from({ length: 4_000 }, (_, i) => ({
      device: "a",
      timeMs: DAY + i * 1_000,
      values: [i],
    }));
    const world = new OutageWorld({
      below: () => 0,
      targets: 1,
      logBytesMax: 100_000,
      ladderMs: [DAY],
      zone: "UTC",
    });
    world.trims = false;
    await world.start();
    world.targets[0]!.mode = "away";
    await world.commit(firedBy(profile, own).flat());
    world.trim();
    await world.drain();
    const summaries = truth(world.targets[0]!.received);
    const sum = summaries.reduce((total, { fields }) => total + (fields.x!.count as number), 0);
    expect([sum, world.store.log.dropped]).toEqual([4_000, 0]);
    expect(Math.max(...summaries.map(({ window }) => window.coarsened?.windows ?? 1))).toBeGreaterThan(3_000);
  });

  it("leaves windows alone whose profile says never", async () => {
    const profile = markedProfile({ type: "tumbling", sizeMs: MINUTE, offsetMs: 0 }, 0, []);
    const own = Array.from({ length: 200 }, (_, i) => marked("a", i, FIRST_MS + i * MINUTE, i));
    const world = new OutageWorld({
      below: () => 0,
      targets: 1,
      logBytesMax: 30_000,
      ladderMs: [HOUR],
      zone: "UTC",
    });
    await world.start();
    world.targets[0]!.mode = "away";
    for (const summaries of firedBy(profile, own)) await world.commit(summaries);
    expect(world.store.log.coarsened).toBe(0);
    expect(world.store.log.dropped).toBeGreaterThan(0);
  });

  it("gives a target that was left out for a while nothing twice when it comes back", async () => {
    const random = seeded("a target that comes back");
    const profile = markedProfile({ type: "tumbling", sizeMs: MINUTE, offsetMs: 0 }, 0);
    const own = Array.from({ length: MARKED_MAX }, (_, i) => marked("a", i, FIRST_MS + i * MINUTE, i));
    const world = new OutageWorld({
      below: random.below,
      targets: 2,
      logBytesMax: 60_000,
      ladderMs: [15 * MINUTE, HOUR],
      zone: "UTC",
    });
    await world.start();
    const [stays, leaves] = world.targets as [ComingAndGoing, ComingAndGoing];
    stays.mode = "away";
    for (const [i, summaries] of firedBy(profile, own).entries()) {
      await world.commit(summaries);
      if (i === 100) leaves.mode = "lossy";
      if (i === 130) await world.restart(["t0"]);
      if (i === 300) await world.restart(["t0", "t1"]);
      if (i % 20 === 0) await world.pass(500);
    }
    await world.drain();
    const readings = new Map([["a", own]]);
    for (const target of world.targets) {
      expect(expectEachOnce(truth(target.received), profile, readings)).toBe(0);
    }
    expect(leaves.received.some((json) => json.includes('"coarsened"'))).toBe(true);
  });

  it("gives a target every reading once, whatever the moment in which it comes while windows are merged", async () => {
    const profile = markedProfile({ type: "tumbling", sizeMs: MINUTE, offsetMs: 0 }, 0);
    const own = Array.from({ length: 60 }, (_, i) => marked("a", i, FIRST_MS + i * MINUTE, i / 10));
    const readings = new Map([["a", own]]);
    const commits = firedBy(profile, own);
    let merged = 0;
    for (let moment = 0; moment < 60; moment++) {
      const world = new OutageWorld({
        below: (below) => Math.min(1, below - 1),
        targets: 1,
        logBytesMax: 20_000,
        ladderMs: [15 * MINUTE, HOUR, DAY],
        zone: "UTC",
      });
      world.configured = [];
      world.trims = false;
      await world.start();
      for (const summaries of commits) await world.commit(summaries);
      world.configured = ["t0"];
      world.trim();
      for (let turns = moment * 6; turns > 0; turns--) await undefined;
      world.startForwarders();
      await world.drain();
      const summaries = truth(world.targets[0]!.received);
      expect(expectEachOnce(summaries, profile, readings)).toBe(0);
      merged += summaries.filter(({ window }) => window.coarsened !== undefined).length;
    }
    expect(merged).toBeGreaterThan(25);
  });
});
