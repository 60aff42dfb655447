import { defineConfig } from "vitest/config";
import { LONG } from "./helpers/campaign.js";
import { NIGHTLY } from "./helpers/cases.js";
import { SummaryReporter } from "./summary-reporter.js";

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    reporters: ["default", new SummaryReporter()],
    // The long form repeats a hundred times what the short one does a few times, as properties do at night;
    // scripts/torture ends what takes too long.
    testTimeout: LONG || NIGHTLY ? 1_800_000 : 120_000,
    hookTimeout: LONG ? 300_000 : 60_000,
    maxWorkers: 2,
  },
});
