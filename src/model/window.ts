import type { FieldValue } from "./reading.js";
import type { DayGroup } from "./zone.js";

/** A window as a profile defines it. Times are milliseconds. Windows are half-open: `[start, end)`. */
export interface WindowDefinition {
  /** Unique within the profile; part of every summary's id. */
  readonly name: string;
  readonly kind: WindowKind;
  /** How long after the watermark has passed the end a reading still changes the window. */
  readonly allowedLatenessMs: number;
  /** Steps of event time at which a window says what it has so far; undefined for never. */
  readonly earlyMs?: number | undefined;
  /** What windows and fields without a value say; undefined where they say nothing. */
  readonly fill?: FillRule | undefined;
  /** Whether summaries have their mergeable state in their JSON. */
  readonly partials?: boolean | undefined;
  /** Requested aggregates by field index. */
  readonly aggregates: readonly FieldAggregates[];
  /**
   * Sizes of the coarser windows that unsent summaries are merged into when the log is full, rising; empty for never,
   * undefined for what the gateway's config says.
   */
  readonly coarsenMs?: readonly number[] | undefined;
  /**
   * Set where the window is not the profile's but gathers a device's part in the window of a group: it fires into the
   * group, and says nothing itself. This stands for who is in the group, and what its window says: when that
   * changes the group's window is closed, and all of its parts end with it.
   */
  readonly forGroup?: string | undefined;
}

/** null, what was said last, a straight line between what was said before and after the hole, or a number. */
export type FillRule = "null" | "previous" | "linear" | number;

export type WindowKind = BoundedKind | FoldedKind;

/** Kinds whose windows are known from time alone. */
export type BoundedKind =
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
  | ({ readonly type: "day"; readonly zone: string } & DayGroup)
  /** Everything there is; fires when the input ends. */
  | { readonly type: "global" };

/**
 * Kinds whose bounds follow from the readings, in the order of event time. A late reading may move them, and with them
 * the identity of a window that has fired; the old one is then retracted.
 */
export type FoldedKind =
  /** Lasts until nothing has come for `gapMs`, but no longer than `maxMs`. */
  | { readonly type: "session"; readonly gapMs: number; readonly maxMs: number }
  /** So many readings, or what has come in `maxAgeMs` from the first one. */
  | { readonly type: "count"; readonly size: number; readonly maxAgeMs: number }
  /** Lasts while a value stays the same; readings without one change nothing. */
  | {
      readonly type: "state";
      readonly of: (values: readonly FieldValue[]) => FieldValue;
      readonly source: string;
      /** Names of an enum's values. */
      readonly names: readonly string[] | undefined;
    }
  /** The last `sizeMs` up to and with every reading for which `emit` is true. */
  | {
      readonly type: "sliding";
      readonly sizeMs: number;
      readonly emit: (values: readonly FieldValue[]) => boolean;
      readonly source: string;
    };

const FOLDED: readonly WindowKind["type"][] = ["session", "count", "state", "sliding"];

export function isFolded(kind: WindowKind): kind is FoldedKind {
  return FOLDED.includes(kind.type);
}

export interface FieldAggregates {
  readonly field: number;
  /** Names from the aggregate catalogue, in the order in which the summary lists them. */
  readonly names: readonly string[];
}
