/** A window as a profile defines it. Times are milliseconds. Windows are half-open: `[start, end)`. */
export interface WindowDefinition {
  /** Unique within the profile; part of every summary's id. */
  readonly name: string;
  readonly kind: WindowKind;
  /** How long after the watermark has passed the end a reading still changes the window. */
  readonly allowedLatenessMs: number;
  /** Requested aggregates by field index. */
  readonly aggregates: readonly FieldAggregates[];
  /**
   * Sizes of the coarser windows that unsent summaries are merged into when the log is full, rising; empty for never,
   * undefined for what the gateway's config says.
   */
  readonly coarsenMs?: readonly number[] | undefined;
}

export type WindowKind =
  /** Fixed size, aligned to the epoch (plus `offsetMs`). */
  | { readonly type: "tumbling"; readonly sizeMs: number; readonly offsetMs: number }
  /** Fixed size, one beginning every `slideMs`, which is no more than the size; so they overlap. */
  | {
      readonly type: "hopping";
      readonly sizeMs: number;
      readonly slideMs: number;
      readonly offsetMs: number;
    }
  /** Whole calendar days of an IANA time zone; 23 or 25 hours long where the clock changes. */
  | { readonly type: "day"; readonly days: number; readonly zone: string }
  /** Everything there is; fires when the input ends. */
  | { readonly type: "global" };

export interface FieldAggregates {
  readonly field: number;
  /** Names from the aggregate catalogue, in the order in which the summary lists them. */
  readonly names: readonly string[];
}
