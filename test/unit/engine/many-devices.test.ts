import { describe, expect, it } from "vitest";
import { BlockMaker, engineProfile, newEngine } from "../../helpers/engine.js";
import { SpillingEngine } from "../../helpers/spilling.js";

/** More than `Prefetch` leaves to the cache. */
const DEVICES = 2_200;
/** Of them when the others begin. */
const EARLIER = 2_100;
/** Less than they take. */
const BYTES_MAX = 2_000_000;
const ROUNDS_MS = [0, 25_000, 50_000, 75_000, 130_000];

describe("an engine with more devices than the cache has room for", () => {
  it("says of each what it says of it alone, whether it is in memory, in the store or new", () => {
    const profile = engineProfile();
    const readingOf = (device: number, round: number) => ({
      device: `d${device}`,
      timeMs: 1_000 * (device % 60) + ROUNDS_MS[round]!,
      values: [(device % 17) * round],
    });
    const all = new SpillingEngine(profile, BYTES_MAX);
    const blocks = new BlockMaker(profile);
    const together = ROUNDS_MS.flatMap((_, round) => {
      const devices = Array.from({ length: round === 0 ? EARLIER : DEVICES }, (_each, i) => i);
      const summaries = all.apply(blocks.block(devices.map((device) => readingOf(device, round))));
      all.store();
      return summaries;
    });
    expect(all.engine.residency.stats().deviceLoads).toBeGreaterThan(0);
    const alone = Array.from({ length: DEVICES }, (_, device) => {
      const engine = newEngine(profile);
      const one = new BlockMaker(profile);
      return ROUNDS_MS.flatMap((_ms, round) =>
        round === 0 && device >= EARLIER ? [] : engine.apply(one.block([readingOf(device, round)])),
      );
    }).flat();
    const byDevice = (summaries: typeof alone) =>
      summaries.map((summary) => JSON.stringify(summary)).sort((a, b) => (a < b ? -1 : 1));
    expect(together.length).toBeGreaterThan(DEVICES);
    expect(byDevice(together)).toEqual(byDevice(alone));
  });
});
