import { describe, expect, it } from "vitest";
import { Engine } from "../../../src/engine/engine.js";
import type { Summary } from "../../../src/model/summary.js";
import { BlockMaker } from "../../helpers/engine.js";
import { expectEachOnce, marked, markedProfile, truth } from "../../helpers/marked-readings.js";
import { OutageWorld } from "../../helpers/outage-world.js";

const MINUTE = 60_000;
const LOG_BYTES_MAX = 30_000;
const FIRST_MS = Date.UTC(2026, 0, 14);

describe("a log that fills up again while room is made in it", () => {
  it("makes room once more before it drops anything", async () => {
    const profile = markedProfile({ type: "tumbling", sizeMs: MINUTE, offsetMs: 0 }, 0);
    const own = Array.from({ length: 200 }, (_, i) => marked("a", i, FIRST_MS + i * MINUTE, i));
    const engine = new Engine({ gateway: "gw", devicesMax: 10, mergeable: true });
    engine.addProfile(profile);
    const blocks = new BlockMaker(profile);
    const commits: Summary[][] = own.map((reading) => engine.apply(blocks.block([reading])));
    commits.push(engine.flush());
    let merged = 0;
    for (let moment = 0; moment < 60; moment++) {
      const world = new OutageWorld({
        below: (below) => Math.min(1, below - 1),
        targets: 1,
        logBytesMax: LOG_BYTES_MAX,
        ladderMs: [60 * MINUTE],
        zone: "UTC",
      });
      world.trims = false;
      await world.start();
      world.targets[0]!.mode = "away";
      let next = 0;
      while (world.store.log.bytes <= LOG_BYTES_MAX) await world.commit(commits[next++]!);
      world.trims = true;
      world.trim();
      for (let turns = moment * 3; turns > 0; turns--) await undefined;
      await world.commit(commits.slice(next).flat());
      await world.drain();
      expect(world.recorder.named("log-unsent-dropped")).toEqual([]);
      const summaries = truth(world.targets[0]!.received);
      expect(expectEachOnce(summaries, profile, new Map([["a", own]]))).toBe(0);
      merged += world.recorder.named("log-coarsened").length;
    }
    expect(merged).toBeGreaterThan(60);
  });
});
