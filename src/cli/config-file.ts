import { type LoadedConfig, type LoadOptions, loadConfig } from "../config/load.js";
import type { Environment } from "../config/variables.js";
import { validateSchedule } from "../forward/schedule.js";
import {
  STATUS_PLACEHOLDERS,
  SUMMARY_PLACEHOLDERS,
  validateTopicTemplate,
} from "../forward/topic-template.js";
import { messageOf } from "../model/errors.js";
import { parseUsers } from "../source/users.js";

/** For `weir check`. A running agent goes on without the one source whose users file has a mistake. */
export function validateUsers(text: string, path: string): string | undefined {
  try {
    parseUsers(text, path);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Loads the gateway's config; what a schedule or topic may be, `forward` knows. */
export function readConfig(
  file: string,
  env: Environment,
  more: Pick<LoadOptions, "validateUsers" | "gatewayInForce"> = {},
): LoadedConfig {
  return loadConfig(file, {
    ...more,
    env,
    validateSchedule,
    validateTopic: (template, of) =>
      validateTopicTemplate(template, of === "summary" ? SUMMARY_PLACEHOLDERS : STATUS_PLACEHOLDERS),
  });
}
