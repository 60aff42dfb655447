import { defineConfig } from "vitest/config";
import { LONG } from "./helpers/campaign.js";
import { SummaryReporter } from "./summary-reporter.js";

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    reporters: ["default", new SummaryReporter()],
    // The long form repeats as often as half an hour allows; scripts/torture ends what takes more than its hour.
    testTimeout: LONG ? 1_800_000 : 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
