/**
 * Why a reading was not accepted. Every reading that is received ends as accepted or under exactly one of
 * these reasons, so for each device `received = accepted + Σ rejected[reason]` at all times.
 *
 * The position in the list is the reason's code in stored records: append, never reorder.
 */
export const REJECT_REASONS = [
  /** The payload is not what the profile's `decode` says (or is hostile: too deep, not UTF-8, NaN). */
  "invalid",
  /** The payload is longer than `decode.maxBytes`. */
  "tooLarge",
  /** No device name could be derived. */
  "unidentified",
  /** The time field is missing or unreadable and the profile has no `else: arrival`. */
  "invalidTime",
  /** The event time is further ahead of arrival than `time.maxFuture`. */
  "future",
  /** The event time is further behind arrival than `time.maxPast`. */
  "past",
  /** No field has a value. */
  "empty",
  /** A field is outside its physical `range` and nothing else is left (or the rule says drop). */
  "outOfRange",
  /** A `clean` rule with `do: drop` matched. */
  "implausible",
  /** The same reading was here before. */
  "duplicate",
  /** Every window of the reading is final. */
  "late",
  /** A broker's stored copy of an old message, without an event time of its own. */
  "retained",
  /** The device would exceed `limits.devices`. */
  "overLimit",
  /** Without an event time of its own it came while the clock was not set, and there was no room to wait for it. */
  "clockUnset",
] as const;

export type RejectReason = (typeof REJECT_REASONS)[number];

/** Code of a reason in stored records. */
export const REASON_CODE: Readonly<Record<RejectReason, number>> = Object.fromEntries(
  REJECT_REASONS.map((reason, code) => [reason, code]),
) as Record<RejectReason, number>;

/** What cleaning did to a single value of a reading that was otherwise kept. */
export const VALUE_FATES = ["outOfRange", "removed", "clamped", "flagged"] as const;
export type ValueFate = (typeof VALUE_FATES)[number];
