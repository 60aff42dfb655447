import { describe, expect, it } from "vitest";
import type { EngineProfile } from "../../../src/model/profile.js";
import type { Summary } from "../../../src/model/summary.js";
import type { WindowDefinition } from "../../../src/model/window.js";
import { BlockMaker, engineProfile, field, tumbling } from "../../helpers/engine.js";
import { SpillingEngine } from "../../helpers/spilling.js";

const SECOND = 1_000;
const MINUTE = 60_000;

const STATE: WindowDefinition = {
  name: "state",
  kind: { type: "state", source: "x > 5", of: ([x]) => ((x as number) > 5 ? 1 : 0), names: undefined },
  allowedLatenessMs: 10 * MINUTE,
  aggregates: [{ field: 0, names: ["count", "sum"] }],
};
const HOUR = tumbling("1h", 60 * MINUTE, [{ field: 0, names: ["count"] }]);
const FIRST = engineProfile({ hash: "first", windows: [STATE] });
const WITH_HOUR = engineProfile({ hash: "with-hour", windows: [STATE, HOUR] });
/** What comes again may have other values under it. */
const WITH_RANGE = engineProfile({
  hash: "with-range",
  windows: [STATE, HOUR],
  fields: [field("x", { range: [0, 1_000] })],
});

/** Two readings of one time, on both sides of a change of the profile, behind which there is another one. */
function statesOf([before, behind]: readonly [number, number], crash: boolean): string[] {
  const life = new SpillingEngine(FIRST, Number.POSITIVE_INFINITY);
  const said: Summary[] = [];
  let sequence = 0;
  const apply = (profile: EngineProfile, seconds: number, x: number) => {
    const block = new BlockMaker(profile, sequence++).block([{ timeMs: seconds * SECOND, values: [x] }]);
    said.push(...life.apply(block));
  };
  apply(FIRST, 10, before);
  said.push(...life.reconfigure(WITH_HOUR));
  for (const seconds of [10, 20, 21]) apply(WITH_HOUR, seconds, behind);
  said.push(...life.reconfigure(WITH_RANGE));
  apply(WITH_RANGE, 30, 3);
  for (const seconds of [40, 41]) apply(WITH_RANGE, seconds, 9);
  if (crash) life.restart();
  for (const seconds of [50, 51, 3_600]) apply(WITH_RANGE, seconds, 3);
  said.push(...life.engine.flush());
  const states = said.filter(({ window }) => window.name === STATE.name);
  return states.map(({ id, revision, final, retracted, fields }) =>
    JSON.stringify([id, revision, final, retracted, fields.x?.sum]),
  );
}

describe("readings of one time under several definitions", () => {
  it("have the same order before and behind a crash, so that what follows it says the same", () => {
    for (let before = 0; before < 12; before++) {
      for (let behind = 0; behind < 12; behind++) {
        const values = [before, behind] as const;
        if (before !== behind) expect(statesOf(values, true), `${values}`).toEqual(statesOf(values, false));
      }
    }
  });
});
