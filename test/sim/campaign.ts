import { describe, it } from "vitest";
import { rounds, tell } from "../helpers/campaign.js";
import { Tally } from "./report.js";
import { simulate } from "./simulation.js";

export const HORIZON_MS = 4 * 3_600_000;

/** How many files share the seeds. */
const PARTS = 2;

/** Part `part` of `PARTS` of the simulations by seed: files run side by side, tests of one file do not. */
export function simulates(part: number): void {
  describe(`simulated gateways, part ${part} of ${PARTS}`, () => {
    it("keep the five promises, whatever happens, for each of these seeds", async () => {
      const tally = new Tally();
      for (let seed = part; seed <= rounds(300, 600); seed += PARTS)
        tally.add(await simulate({ seed, horizonMs: HORIZON_MS }));
      tell(`simulator, part ${part}`, tally.line());
    }, 1_200_000);
  });
}
