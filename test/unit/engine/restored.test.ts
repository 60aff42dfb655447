import { expect, it } from "vitest";
import type { Engine } from "../../../src/engine/engine.js";
import type { Summary } from "../../../src/model/summary.js";
import { rounds } from "../../helpers/cases.js";
import {
  BlockMaker,
  engineProfile,
  hopping,
  newEngine,
  restored,
  type TestReading,
  tumbling,
} from "../../helpers/engine.js";
import { seeded } from "../../helpers/seeded.js";

const READINGS = 300;
const STEP_MS = 100;
const FIRST_MS = Date.UTC(2026, 0, 14, 12);
const STATS = [{ field: 0, names: ["count", "sum"] }];

const first = engineProfile({
  time: { ...engineProfile().time, outOfOrdernessMs: 2_000 },
  windows: [
    tumbling("short", 5_000, STATS, 10_000),
    tumbling("long", 20_000, STATS, 10_000),
    hopping("over", [8_000, 3_000], STATS, 10_000),
  ],
});
const second = {
  ...first,
  hash: "hash-2",
  windows: [tumbling("short", 3_000, STATS, 10_000), first.windows[1]!, first.windows[2]!],
};

it("says after a restart at any block what it says without one, though readings come again and definitions change", () => {
  const random = seeded("restarts of the engine");
  for (let round = 0; round < rounds(60); round++) {
    const numbers = random.disordered(
      Array.from({ length: READINGS }, (_, i) => i),
      40,
    );
    const readings = numbers.flatMap((i, at): TestReading[] => {
      const again = numbers[Math.max(0, at - random.below(120))]!;
      return [reading(i), ...(random.below(3) === 0 ? [reading(again)] : [])];
    });
    let profile = first;
    let sequence = 0;
    const uninterrupted = newEngine(profile);
    let interrupted = newEngine(profile);
    const both = (what: (engine: Engine) => Summary[]): void =>
      expect(what(interrupted), `round ${round}, block ${sequence}`).toEqual(what(uninterrupted));
    while (readings.length > 0) {
      const block = new BlockMaker(profile, sequence++).block(readings.splice(0, 1 + random.below(8)));
      both((engine) => engine.apply(block));
      interrupted = restored(interrupted, profile);
      if (random.below(12) !== 0) continue;
      profile = profile === first ? second : first;
      both((engine) => engine.redefine({ profiles: [profile] }));
    }
    both((engine) => engine.flush());
  }
});

function reading(i: number): TestReading {
  return { timeMs: FIRST_MS + i * STEP_MS, values: [i] };
}
