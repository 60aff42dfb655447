import type { LogEntry } from "../model/summary.js";
import type { SummaryLog } from "../model/summary-log.js";

/** Which entries of the summary log somebody wants to see. */
export interface LogQuery {
  /** Only this device's. */
  readonly device?: string | undefined;
  /** Only of windows that end after this, in milliseconds since the epoch; a global window always qualifies. */
  readonly sinceMs?: number | undefined;
  /** Wait for new entries instead of ending after the last one. */
  readonly follow?: boolean | undefined;
}

export interface LogStreamOptions extends LogQuery {
  readonly log: SummaryLog;
  /** Ends the stream early, at the next entry or wait. */
  readonly signal: AbortSignal;
  /** Takes some lines with their line ends; the next are read only when it has resolved. */
  readonly write: (lines: string) => Promise<void>;
}

/** One read; also the most that a slow reader makes us hold. */
const BATCH = { entriesMax: 256, bytesMax: 262_144 } as const;

/** Hands the log's matching entries on, oldest first, one JSON document a line, at the reader's speed. */
export async function streamLog(options: LogStreamOptions): Promise<void> {
  const { log, signal, write } = options;
  const arrivals = listen(log, signal);
  try {
    let position = log.tail() - 1;
    while (!signal.aborted) {
      const entries = await log.read(position, BATCH);
      const last = entries.at(-1);
      if (last === undefined) {
        if (options.follow !== true) return;
        await arrivals.after(position);
        continue;
      }
      position = last.position;
      const lines = entries.filter((entry) => matches(entry, options)).map((entry) => `${entry.json}\n`);
      if (lines.length > 0) await write(lines.join(""));
    }
  } finally {
    arrivals.stop();
  }
}

/** Waits for appends without missing one that comes between a read and the wait. */
function listen(
  log: SummaryLog,
  signal: AbortSignal,
): { after(position: number): Promise<void>; stop(): void } {
  let wake = (): void => undefined;
  const onWake = (): void => wake();
  const unsubscribe = log.onAppend(onWake);
  signal.addEventListener("abort", onWake);
  return {
    after: (position) =>
      new Promise((resolve) => {
        wake = resolve;
        if (signal.aborted || log.head() > position) resolve();
      }),
    stop() {
      unsubscribe();
      signal.removeEventListener("abort", onWake);
    },
  };
}

function matches(entry: LogEntry, query: LogQuery): boolean {
  if (query.device === undefined && query.sinceMs === undefined) return true;
  const summary = JSON.parse(entry.json) as {
    readonly device: string;
    readonly window: { readonly end?: string };
  };
  if (query.device !== undefined && summary.device !== query.device) return false;
  const { end } = summary.window;
  return query.sinceMs === undefined || end === undefined || Date.parse(end) > query.sinceMs;
}
