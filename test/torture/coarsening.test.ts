import { describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import type { Summary } from "../../src/model/summary.js";
import type { WindowKind } from "../../src/model/window.js";
import { rounds, tell } from "../helpers/campaign.js";
import { BlockMaker } from "../helpers/engine.js";
import { expectEachOnce, MARKED_MAX, marked, markedProfile, truth } from "../helpers/marked-readings.js";
import { OutageWorld } from "../helpers/outage-world.js";
import { type Seeded, seeded } from "../helpers/seeded.js";
import type { OracleReading } from "../oracle/oracle.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** The day before the clocks of Berlin are set back. */
const FIRST_MS = Date.UTC(2026, 9, 24, 5, 7);

const pick = <T>(random: Seeded, items: readonly T[]): T => items[random.below(items.length)]!;

/** Readings of some devices over a few days, and the commits of summaries that the engine makes of them. */
function history(random: Seeded) {
  const lateMs = pick(random, [0, 0, 3 * MINUTE, 40 * MINUTE]);
  const kind: WindowKind = {
    type: "tumbling",
    sizeMs: pick(random, [MINUTE, MINUTE, 5 * MINUTE]),
    offsetMs: 0,
  };
  const own = pick(random, [undefined, undefined, undefined, [10 * MINUTE, 2 * HOUR]]);
  const profile = markedProfile(kind, lateMs, own);
  const readings = new Map<string, readonly OracleReading[]>();
  for (let d = 0; d <= random.below(3); d++) {
    const count = 1 + random.below(MARKED_MAX);
    const stepMs = pick(random, [20_000, 70_000, 400_000]);
    let timeMs = FIRST_MS + random.below(3 * HOUR);
    const list: OracleReading[] = [];
    for (let i = 0; i < count; i++) {
      timeMs += 1 + random.below(stepMs) + (random.below(60) === 0 ? random.below(8 * HOUR) : 0);
      const x = random.below(6) === 0 ? Number.NaN : (random.below(2_000_001) - 1_000_000) / 100 + 0;
      list.push(marked(`device ${d}/ü`, i, timeMs, x));
    }
    readings.set(`device ${d}/ü`, list);
  }
  const engine = new Engine({ gateway: "gw", devicesMax: 10, mergeable: true });
  engine.addProfile(profile);
  const blocks = new BlockMaker(profile);
  const all = [...readings.values()].flat().sort((a, b) => a.timeMs - b.timeMs);
  const arriving = lateMs === 0 ? all : random.disordered(all, 3);
  const commits: Summary[][] = [];
  for (let at = 0; at < arriving.length; ) {
    const size = 1 + random.below(12);
    const summaries = engine.apply(blocks.block(arriving.slice(at, at + size)));
    if (summaries.length > 0) commits.push(summaries);
    at += size;
  }
  commits.push(engine.flush());
  const accepted = engine.counts().reduce((sum, count) => sum + count.accepted, 0);
  return { profile, readings, commits, accepted };
}

function misfortune(world: OutageWorld, random: Seeded, crashes: boolean): Promise<void> | undefined {
  const target = pick(random, world.targets);
  switch (random.below(14)) {
    case 0:
      target.comeBack();
      return undefined;
    case 1:
      target.mode = "lossy";
      return undefined;
    case 2:
    case 3:
      target.mode = "away";
      return undefined;
    case 4:
      if (crashes) {
        world.disk.batchesLeft = 1 + random.below(8);
        world.disk.diesAfter = random.below(2) === 0;
      }
      return undefined;
    case 5:
      world.disk.stall();
      return world.pass(random.below(4_000));
    case 6:
      world.disk.goOn();
      return undefined;
    case 7:
      return random.below(4) === 0 ? world.restart() : undefined;
    default:
      return world.pass(random.below(500));
  }
}

/** One life of a gateway. @returns what happened */
async function live(random: Seeded, crashes: boolean) {
  const { profile, readings, commits, accepted } = history(random);
  const world = new OutageWorld({
    below: random.below,
    targets: 1 + random.below(3),
    logBytesMax: pick(random, [30_000, 60_000, 150_000]),
    ladderMs: pick(random, [
      [15 * MINUTE, HOUR, DAY],
      [5 * MINUTE, HOUR],
      [6 * HOUR, 2 * DAY],
    ]),
    zone: pick(random, ["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
  });
  await world.start();
  for (const target of world.targets) target.mode = pick(random, ["away", "away", "there"]);
  for (const summaries of commits) {
    for (let n = random.below(3); n > 0; n--) await misfortune(world, random, crashes);
    while (!(await world.commit(summaries)));
  }
  await world.drain();
  expect(world.failures).toEqual([]);
  const { log } = world.store;
  let [merged, missing] = [0, 0];
  for (const target of world.targets) {
    const summaries = truth(target.received);
    merged += summaries.filter(({ window }) => window.coarsened !== undefined).length;
    missing += expectEachOnce(summaries, profile, readings);
  }
  const total = [...readings.values()].reduce((sum, list) => sum + list.length, 0);
  if (log.dropped === 0) expect(missing).toBe((total - accepted) * world.targets.length);
  return { merged, dropped: log.dropped, coarsened: log.coarsened, superseded: log.superseded };
}

describe("a log that is full", () => {
  it.each([
    ["", false],
    [", whatever batch the process dies at", true],
  ])(
    "gives every target every reading exactly once, in whatever windows%s",
    async (_, crashes) => {
      const random = seeded("coarsening");
      const lives = rounds(20, 1_000);
      const sum = { merged: 0, dropped: 0, coarsened: 0, superseded: 0, lossless: 0 };
      for (let life = 0; life < lives; life++) {
        const { merged, dropped, coarsened, superseded } = await live(random, crashes);
        sum.merged += merged;
        sum.dropped += dropped;
        sum.coarsened += coarsened;
        sum.superseded += superseded;
        if (dropped === 0) sum.lossless++;
      }
      tell("coarsening", `${lives} lives${crashes ? " with crashes" : ""}: ${JSON.stringify(sum)}`);
      expect(sum.merged).toBeGreaterThan(lives);
      expect(sum.lossless).toBeGreaterThan(lives / 2);
    },
    600_000,
  );
});
