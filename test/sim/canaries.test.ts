import { describe, expect, it } from "vitest";
import { tell } from "../helpers/campaign.js";
import { CANARIES } from "./canaries.js";
import { failureOf } from "./shrink.js";

const SEEDS_MAX = 200;
const HORIZON_MS = 4 * 3_600_000;

describe("the simulator finds an agent that", () => {
  it.each(Object.keys(CANARIES))(
    "%s",
    async (name) => {
      for (let seed = 1; seed <= SEEDS_MAX; seed++) {
        const options = { seed, horizonMs: HORIZON_MS, canary: name };
        const failure = await failureOf(options);
        if (failure === undefined) continue;
        tell("canary", `${name}: found by ${failure.message.split("\n")[0]!.slice(0, 200)}`);
        // The seed alone repeats it, whatever ran before.
        expect((await failureOf(options))?.message).toBe(failure.message);
        return;
      }
      expect.fail(`not found in ${SEEDS_MAX} seeds`);
      // One that is given up on would leave its fault planted in the next.
    },
    1_200_000,
  );
});
