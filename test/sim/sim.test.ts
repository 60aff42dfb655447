import { describe, expect, it } from "vitest";
import { HORIZON_MS, simulates } from "./campaign.js";
import { simulate } from "./simulation.js";

simulates(1);

describe("a simulated gateway", () => {
  it("does the same again for the same seed, to the last step", async () => {
    const once = await simulate({ seed: 7, horizonMs: HORIZON_MS });
    const again = await simulate({ seed: 7, horizonMs: HORIZON_MS });
    expect(again).toEqual(once);
  });
});
