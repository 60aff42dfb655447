import { type LoadedConfig, loadConfig } from "../config/load.js";
import type { Environment } from "../config/variables.js";
import { validateSchedule } from "../forward/schedule.js";
import {
  STATUS_PLACEHOLDERS,
  SUMMARY_PLACEHOLDERS,
  validateTopicTemplate,
} from "../forward/topic-template.js";

/** Loads the gateway's config with every check there is; what a schedule or topic may be, `forward` knows. */
export function readConfig(file: string, env: Environment): LoadedConfig {
  return loadConfig(file, {
    env,
    validateSchedule,
    validateTopic: (template, of) =>
      validateTopicTemplate(template, of === "summary" ? SUMMARY_PLACEHOLDERS : STATUS_PLACEHOLDERS),
  });
}
