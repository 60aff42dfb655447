import { type LoadedConfig, loadConfig } from "../config/load.js";
import type { Environment } from "../config/variables.js";
import { validateSchedule } from "../forward/schedule.js";
import {
  STATUS_PLACEHOLDERS,
  SUMMARY_PLACEHOLDERS,
  validateTopicTemplate,
} from "../forward/topic-template.js";
import { messageOf } from "../model/errors.js";
import { parseUsers } from "../source/users.js";

function validateUsers(text: string, path: string): string | undefined {
  try {
    parseUsers(text, path);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Loads the gateway's config with every check there is; what a schedule or topic may be, `forward` knows. */
export function readConfig(file: string, env: Environment): LoadedConfig {
  return loadConfig(file, {
    env,
    validateSchedule,
    validateUsers,
    validateTopic: (template, of) =>
      validateTopicTemplate(template, of === "summary" ? SUMMARY_PLACEHOLDERS : STATUS_PLACEHOLDERS),
  });
}
