import { expect, it } from "vitest";
import { Engine } from "../../../src/engine/engine.js";
import type { EngineProfile } from "../../../src/model/profile.js";
import type { Summary } from "../../../src/model/summary.js";
import { BlockMaker } from "../../helpers/engine.js";
import { MARKED_MAX, marked, markedProfile } from "../../helpers/marked-readings.js";
import { merge, withPartials } from "../../helpers/merging.js";
import { OutageWorld } from "../../helpers/outage-world.js";
import { seeded } from "../../helpers/seeded.js";
import type { OracleReading } from "../../oracle/oracle.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ZONE = "Europe/Berlin";
/** A Saturday before the clocks of Berlin are set back. */
const FIRST_MS = Date.UTC(2026, 9, 24, 5, 7);

function firedBy(profile: EngineProfile, readings: readonly OracleReading[]): Summary[][] {
  const engine = new Engine({ gateway: "gw", devicesMax: 10, mergeable: true });
  engine.addProfile(profile);
  const blocks = new BlockMaker(profile);
  return [...readings.map((reading) => engine.apply(blocks.block([reading]))), engine.flush()];
}

it("a log that is full keeps partials whole: what it sends, fine or coarse, merges into what one engine says", async () => {
  const random = seeded("coarse partials");
  let timeMs = FIRST_MS;
  const own = Array.from({ length: MARKED_MAX }, (_, i) => {
    timeMs += 1 + random.below(20 * MINUTE);
    return marked("a", i, timeMs, random.next() * 10 ** random.below(12));
  });
  const fine = withPartials(markedProfile({ type: "tumbling", sizeMs: MINUTE, offsetMs: 0 }, 0));
  const world = new OutageWorld({
    below: random.below,
    targets: 1,
    logBytesMax: 150_000,
    ladderMs: [15 * MINUTE, HOUR],
    zone: ZONE,
  });
  await world.start();
  world.targets[0]!.mode = "away";
  for (const summaries of firedBy(fine, own)) await world.commit(summaries);
  await world.drain();
  const { received } = world.targets[0]!;
  const names = new Set(received.map((line) => (JSON.parse(line) as Summary).window.name));
  // Quarters of an hour are all merged once more in one of fifty logs.
  expect([...names]).toEqual(expect.arrayContaining(["w", "w~1h"]));
  const merged = await merge([received], ["--window", "1d", "--zone", ZONE]);
  expect(merged.stderr).not.toContain("weir:");
  const days = firedBy(markedProfile({ type: "day", days: 1, zone: ZONE }, 0), own).flat();
  const told = ({ window, fields }: Summary) => JSON.stringify([window.start, window.end, fields]);
  expect(merged.summaries.map(told)).toEqual(days.map(told));
  expect(world.store.log.dropped).toBe(0);
});
