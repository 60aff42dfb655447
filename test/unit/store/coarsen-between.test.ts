import { expect, it } from "vitest";
import { Engine } from "../../../src/engine/engine.js";
import type { Summary } from "../../../src/model/summary.js";
import { BlockMaker, engineProfile, field, tumbling } from "../../helpers/engine.js";
import { truth } from "../../helpers/marked-readings.js";
import { merge, withPartials } from "../../helpers/merging.js";
import { OutageWorld } from "../../helpers/outage-world.js";
import type { OracleReading } from "../../oracle/oracle.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const FIRST_MS = Date.UTC(2026, 2, 28, 6, 0);

/** A counter that goes up by one a minute. */
function at(minute: number, device: string): OracleReading {
  return { device, timeMs: FIRST_MS + minute * MINUTE + 1_000, values: [minute] };
}

it("a log that is full counts no change and no time twice when a window amid those it merges was sent before", async () => {
  const profile = withPartials(
    engineProfile({
      id: "p",
      fields: [field("n", { counter: { rollover: undefined } })],
      windows: [tumbling("w", MINUTE, [{ field: 0, names: ["increase", "durationGood"] }], 10 * MINUTE)],
    }),
  );
  const engine = new Engine({ gateway: "gw", devicesMax: 10, mergeable: true });
  engine.addProfile(profile);
  const blocks = new BlockMaker(profile);
  const world = new OutageWorld({
    below: (below) => Math.min(1, below - 1),
    targets: 1,
    logBytesMax: 30_000,
    ladderMs: [HOUR],
    zone: "UTC",
  });
  await world.start();
  const target = world.targets[0]!;
  const send = async (minutes: readonly number[], device = "a") => {
    for (const minute of minutes) await world.commit(engine.apply(blocks.block([at(minute, device)])));
  };
  const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);
  // Minute 5 goes upstream as it ends; what comes late of the minutes before it does not.
  await send([0, 5, 6]);
  await world.pass(10_000);
  target.mode = "away";
  // What is handed to the target first is in doubt from then on.
  await send(from(0, 9), "b");
  await send([2, 3, ...from(7, 80)]);
  await world.commit(engine.flush());
  await world.drain();
  const summaries = truth(target.received).filter(({ device }) => device === "a");
  const coarse = summaries.filter(({ window }) => window.coarsened !== undefined);
  const increaseOf = ({ fields }: Summary) => fields.n!.increase as number;
  expect(coarse.length).toBeGreaterThan(0);
  expect(world.store.log.dropped).toBe(0);
  expect(summaries.reduce((sum, each) => sum + increaseOf(each), 0)).toBe(86);
  // From the first value on, less the minute between 06:01 and 06:02, which nothing was in.
  expect(summaries.reduce((sum, { fields }) => sum + (fields.n!.durationGood as number), 0)).toBe(7_139);
  const merged = await merge([target.received], ["--window", "1d", "--zone", "UTC"]);
  expect(merged.stderr).not.toContain("weir:");
  expect(merged.summaries.map(increaseOf)).toEqual([86, 8]);
});
