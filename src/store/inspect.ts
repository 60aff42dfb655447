import { existsSync } from "node:fs";
import { join } from "node:path";
import { WeirError } from "../model/errors.js";
import type { SummaryLog } from "../model/summary-log.js";
import { Database, type DatabaseOptions } from "./database.js";
import { StoredSummaryLog } from "./summary-log.js";

/** The summary log of an agent that is not running. */
export interface InspectedLog {
  readonly log: SummaryLog;
  close(): Promise<void>;
}

/**
 * Opens the log to read it and nothing else: no store is created, set aside or trimmed. LevelDB still tidies up its
 * own files as it opens, so this needs the rights of the agent's user.
 * @throws WeirError `store-missing`, `store-locked` while an agent runs, `store-unavailable` when it is damaged
 */
export async function inspectSummaryLog(options: DatabaseOptions): Promise<InspectedLog> {
  if (!existsSync(join(options.path, "db"))) {
    throw new WeirError("store-missing", `there is no store in ${options.path}`, {
      hint: "the agent of this config has not run yet, or may not be looked at by this user",
    });
  }
  const database = await Database.inspect(options);
  try {
    const { observer } = options;
    const log = await StoredSummaryLog.open({ database, observer, bytesMax: Number.POSITIVE_INFINITY });
    return { log, close: () => database.close() };
  } catch (error) {
    await database.close();
    throw error;
  }
}
