import type { Counter, Field, FieldType } from "../model/profile.js";
import type { SummaryValue } from "../model/summary.js";
import type { Accumulator, Cells } from "./cells.js";

/** What an aggregate's result is computed from: the merged cells of a window and where each accumulator lies. */
export interface Inputs {
  readonly cells: Cells;
  /** First cell of the field's accumulator of that name. */
  readonly at: Readonly<Record<string, number>>;
  readonly field: Pick<Field, "values">;
  /** Bounds of the window; undefined where it has none. */
  readonly window: WindowBounds | undefined;
  /** Readings that were kept, with a value of this field or without. */
  readonly accepted: number;
  /** Values of this field that cleaning clamped or flagged; they are among the values. */
  readonly doubtful: number;
}

export interface WindowBounds {
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
  /** Whether it has not ended: nothing is known yet of the time after its last value. */
  readonly open?: boolean | undefined;
  /** Of a coarse window: start of the first window that was merged into it. Earlier ones may have been said before. */
  readonly firstMs?: number | undefined;
}

/** What accumulators can be made for: a field of a profile, or of summaries that are merged. */
export interface AccumulatedField {
  readonly type?: FieldType | undefined;
  /** Names of an enum's values. */
  readonly values?: readonly string[] | undefined;
  /** See `Field.maxGapMs`. */
  readonly maxGapMs?: number | undefined;
  /** See `Field.counter`. */
  readonly counter?: Counter | undefined;
  /** See `Field.resolution`; what is merged brings its own along. */
  readonly resolution: number | undefined;
  /** See `TimePolicy.periodMs`; likewise. */
  readonly periodMs: number | undefined;
  /** Another field of the profile. */
  other(name: string): OtherField;
}

export interface OtherField {
  /** Its place in a reading's values. */
  readonly place: number;
  /** Differs between fields whose values do not go together. */
  readonly meaning: string;
}

/**
 * Which fields may have an aggregate. numbers: float, int, decimal, bool. discrete: those whose values come again,
 * that is all but float and decimal.
 */
export type AggregateFields = "all" | "numbers" | "discrete";

/** One aggregate that a profile may request. Results never depend on the order in which readings arrived. */
export interface Aggregate {
  readonly name: string;
  /** For the reference documentation: formula, unit, error bound, after whom it is named. */
  readonly description: string;
  readonly fields: AggregateFields;
  /** What its result is where that is not a number worked out from values: one of them, a time, or a mapping. */
  readonly gives?: "value" | "time" | "mapping" | undefined;
  /** Its unit where that is not the field's and can be written down. */
  readonly unit?: ((fieldUnit: string | undefined) => string) | undefined;
  /** The other field that it looks at. */
  readonly other?: string | undefined;
  /** The value of the field that it looks for, as the profile writes it. */
  readonly sought?: string | undefined;
  /**
   * What it cannot do without: the profile's `time.period`, windows that know what was done to single values, or a
   * field that is a counter.
   */
  readonly requires?: "period" | "fates" | "counter" | undefined;
  /**
   * What it is of no values, where that is known whatever the values around it are: 0 for what counts, and for what
   * happens from one value to the next, which the next window with a value has.
   */
  readonly ofNothing?: 0 | undefined;
  needs(field: AccumulatedField): readonly Accumulator[];
  /** Called only when the window has at least one value of the field; null where the value is undefined. */
  result(inputs: Inputs): SummaryValue;
}

/** Aggregates whose name has a parameter. */
export interface AggregateFamily {
  /** As documents show it. */
  readonly name: string;
  readonly description: string;
  readonly fields: AggregateFields;
  /** The aggregate of this name, if it is one of the family. */
  find(name: string): Aggregate | undefined;
  /** The name of the family that a wrong one was meant to be, if it looks like it. */
  nearest(name: string): string | undefined;
}

export function suits(fields: AggregateFields, type: FieldType): boolean {
  if (fields === "all") return true;
  const text = type === "string" || type === "enum";
  return fields === "numbers" ? !text : type !== "float" && type !== "decimal";
}

/** What stands before the results of a field: its unit, and the units of results that have another one. */
export function unitsOf(
  unit: string | undefined,
  aggregates: readonly Aggregate[],
): Record<string, SummaryValue> {
  const others = aggregates.flatMap((each) =>
    each.unit === undefined ? [] : [[each.name, each.unit(unit)]],
  );
  return {
    ...(unit === undefined ? {} : { unit }),
    ...(others.length === 0 ? {} : { units: Object.fromEntries(others) }),
  };
}

/** The keys of a summary's field that are results. */
export function resultNames(field: Readonly<Record<string, SummaryValue>>): string[] {
  return Object.keys(field).filter((key) => key !== "unit" && key !== "units");
}

/** JSON has no Infinity; a result that overflows is null. */
export function finite(x: number): number | null {
  return Number.isFinite(x) ? x : null;
}

/** What some aggregates need, each accumulator once. */
export function accumulatorsOf(aggregates: readonly Aggregate[], field: AccumulatedField): Accumulator[] {
  const needs = new Map<string, Accumulator>();
  for (const aggregate of aggregates) {
    for (const accumulator of aggregate.needs(field)) needs.set(accumulator.name, accumulator);
  }
  return [...needs.values()];
}
