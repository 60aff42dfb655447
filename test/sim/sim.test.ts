import { describe, expect, it } from "vitest";
import { rounds, tell } from "../helpers/campaign.js";
import { Tally } from "./report.js";
import { simulate } from "./simulation.js";

const HORIZON_MS = 4 * 3_600_000;

describe("a simulated gateway", () => {
  it("keeps the five promises, whatever happens, for each of these seeds", async () => {
    const tally = new Tally();
    for (let seed = 1; seed <= rounds(300, 600); seed++)
      tally.add(await simulate({ seed, horizonMs: HORIZON_MS }));
    tell("simulator", tally.line());
  }, 1_200_000);

  it("does the same again for the same seed, to the last step", async () => {
    const once = await simulate({ seed: 7, horizonMs: HORIZON_MS });
    const again = await simulate({ seed: 7, horizonMs: HORIZON_MS });
    expect(again).toEqual(once);
  });
});
