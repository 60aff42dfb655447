import { defineEvent } from "../model/log-event.js";

interface AtTarget {
  readonly target: string;
}

/**
 * Code of the rejection by a target without a connection. The target has its own events about that, so for the
 * forwarder it is a matter of waiting, and right after the start it is the rule.
 */
export const TARGET_AWAY = "target-away";

/** The first failure in a row; the following ones are `forwardRetry`, so that a long outage does not fill the log. */
export const forwardFailed = defineEvent<
  AtTarget & {
    readonly code: string;
    readonly error: string;
    readonly hint: string | undefined;
    readonly delayMs: number;
  }
>("forward-failed", "warn", "a delivery failed and is repeated; nothing is lost while the log has room");

export const forwardRetry = defineEvent<
  AtTarget & {
    readonly code: string;
    readonly error: string;
    readonly failures: number;
    readonly delayMs: number;
  }
>("forward-retry", "debug", "a delivery failed again");

export const forwardRecovered = defineEvent<AtTarget & { readonly failures: number }>(
  "forward-recovered",
  "info",
  "deliveries succeed again",
);

export const forwardDropped = defineEvent<
  AtTarget & { readonly first: number; readonly last: number; readonly entries: number }
>(
  "forward-dropped",
  "error",
  "the log no longer has summaries that this target had not confirmed; see why it is away, or raise store.logBytesMax",
);

export const forwardSetAside = defineEvent<
  AtTarget & {
    readonly position: number;
    readonly code: string;
    readonly error: string;
    readonly hint: string | undefined;
  }
>(
  "forward-set-aside",
  "error",
  "a summary can never be delivered to this target and is passed over; it stays in the log",
);

export const forwardCursorAhead = defineEvent<AtTarget & { readonly cursor: number; readonly head: number }>(
  "forward-cursor-ahead",
  "error",
  "the cursor is beyond the log's end; everything in the log is delivered again",
);

export const forwardAbandoned = defineEvent<AtTarget & { readonly waitedMs: number }>(
  "forward-abandoned",
  "warn",
  "the delivery in flight did not end before the stop and is repeated at the next start",
);

export const fileTargetRotated = defineEvent<AtTarget & { readonly path: string; readonly removed: string }>(
  "file-target-rotated",
  "info",
  "the file is full and was moved aside",
);

export const fileTargetRepaired = defineEvent<AtTarget & { readonly path: string; readonly bytes: number }>(
  "file-target-repaired",
  "warn",
  "the file ended in an unconfirmed write, which was cut off and is written again",
);
