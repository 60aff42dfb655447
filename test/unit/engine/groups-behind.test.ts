import { describe, expect, it } from "vitest";
import type { GroupDefinition } from "../../../src/model/group.js";
import type { Summary } from "../../../src/model/summary.js";
import { BlockMaker, engineProfile, field, groupedEngine, tumbling } from "../../helpers/engine.js";
import { StoredGroups } from "../../helpers/stored-groups.js";

type Window = GroupDefinition["windows"][number];

/** Everything in one group, by ten seconds. */
function tenSeconds(given: Pick<Window, "allowedLatenessMs" | "fields" | "fill">): GroupDefinition {
  const kind: Window["kind"] = { type: "tumbling", sizeMs: 10_000, offsetMs: 0 };
  return { name: "g", members: {}, windows: [{ name: "10s", kind, ...given }] };
}

describe("a group that is behind", () => {
  it("says anew what a late reading has changed though a hole is not filled yet, so that a crash forgets nothing of it", () => {
    const profile = engineProfile({
      fields: [field("t")],
      time: { ...engineProfile().time, outOfOrdernessMs: 2_000 },
      windows: [tumbling("1h", 3_600_000, [{ field: 0, names: ["count"] }])],
    });
    const group = tenSeconds({ allowedLatenessMs: 60_000, fields: { t: ["sum"] }, fill: "linear" });
    const maker = new BlockMaker(profile);
    const share = { shareMax: 5 };
    const at = (...seconds: number[]) =>
      maker.block(
        seconds.map((second) => ({ timeMs: second * 1_000, values: [second] })),
        share,
      );
    // 373 ends the hole between 5 and 305; what comes for 346 is late.
    const before = [at(5, 305, 315, 325, 335, 345, 355), at(346, 373)];
    const later = Array.from({ length: 10 }, () => at());
    const uninterrupted = groupedEngine([profile], [group]);
    const said = before.flatMap((block) => uninterrupted.apply(block));
    expect(uninterrupted.isBehind).toBe(true);
    const stored = new StoredGroups([profile], [group]);
    stored.share(uninterrupted, () => true);
    const expected = later.flatMap((block) => uninterrupted.apply(block));
    const ofLate = [...said, ...expected].filter(({ id }) => id === "gw/group/g/10s/1970-01-01T00:05:40Z");
    expect(ofLate.map(({ revision, fields }) => [revision, fields.t?.sum])).toEqual([
      [0, 345],
      [1, 345 + 346],
    ]);
    const recovered = stored.recovered(before);
    expect(later.flatMap((block) => recovered.apply(block))).toEqual(expected);
    expect(recovered.flush()).toEqual(uninterrupted.flush());
  });
});

describe("a group whose member has to wait for the next block", () => {
  it("hears of it then, so that what the journal brings back says windows under the same ids", () => {
    const profile = engineProfile({
      time: { ...engineProfile().time, maxFutureMs: 60_000 },
      windows: [tumbling("5s", 5_000, [{ field: 0, names: ["count"] }])],
    });
    const group = tenSeconds({ allowedLatenessMs: 0, fields: { x: ["count"] } });
    const maker = new BlockMaker(profile);
    const reading = (device: string, seconds: number) => ({
      device,
      timeMs: seconds * 1_000,
      arrivalMs: seconds * 1_000,
      values: [seconds],
    });
    const start = () => {
      const engine = groupedEngine([profile], []);
      engine.apply(new BlockMaker(profile).block([reading("ahead", 900)]));
      engine.redefine({ groups: [group] });
      return engine;
    };
    maker.sequence = 1;
    const blocks = [
      maker.block([reading("b", 8), reading("b", 10), reading("ahead", 8)]),
      maker.block([reading("b", 22), reading("ahead", 22)]),
    ];
    const [engine, replayed] = [start(), start()];
    const [said, again]: [Summary[], Summary[]] = [[], []];
    for (const block of blocks) {
      for (let left = block.groups; left.length > 0; ) {
        const sequence = engine.sequence + 1;
        const part = engine.applyPart({ ...block, groups: left, sequence }, 1);
        left = part.left;
        said.push(...part.summaries);
        again.push(...replayed.apply(part.begun));
      }
    }
    expect(engine.sequence).toBeGreaterThan(1 + blocks.length);
    expect(again.map(({ id }) => id)).toEqual(said.map(({ id }) => id));
    expect(replayed.flush().map(({ id }) => id)).toEqual(engine.flush().map(({ id }) => id));
  });
});
