import type { FieldType } from "../model/profile.js";
import type { FieldValue } from "../model/reading.js";
import { type AccumulatedField, type Aggregate, finite, type Inputs } from "./aggregate.js";
import { cellOf, type OrderedAccumulator } from "./cells.js";
import { countAccumulator } from "./count.js";
import { addExactProduct, exactComponents } from "./exact-sum.js";
import { addProduct, divideExpansions } from "./expansion.js";
import { type Segment, type SegmentKind, segmentAccumulator, segmentAt } from "./segment.js";
import { timeTotalUnit } from "./time-units.js";

/**
 * The integral of a field over time, exactly: ∫ x dt.
 *
 * Between two values x is the first of them (`stepped`) or on the straight line between them (`linear`). A value says
 * nothing of what is more than `maxGap` behind it: where the next one is further away, it is held for `maxGap`, whatever
 * the interpolation, and of the time from there to the next one nothing is known. A window begins with what the last value
 * before it says of its time, and with its first value where there was none; after the last value, that is held up to
 * the end of the window. Nothing that comes after the window is looked at: a final summary could not wait for it.
 *
 * Parameters: 1 for linear; `maxGap` in milliseconds, 0 for no end. Sums: milliseconds of which x is known; 2 ∫ x dt
 * in the field's unit times milliseconds.
 */
export type Interpolation = "linear" | "stepped";

interface Integrated {
  readonly name: string;
  readonly interpolation: Interpolation;
  readonly maxGapMs: number | undefined;
  readonly map?: (value: FieldValue) => FieldValue;
}

function integralKind({ name, interpolation, maxGapMs = 0, map }: Integrated): SegmentKind {
  return {
    name,
    parameters: [interpolation === "linear" ? 1 : 0, maxGapMs],
    plain: 1,
    exact: 1,
    ...(map === undefined ? {} : { map }),
    add(state, sums, { fromMs, from, toMs, to }) {
      const gapMs = Math.max(0, toMs - fromMs);
      const maxMs = cellOf(state, sums.parameters + 1) || Number.POSITIVE_INFINITY;
      const knownMs = Math.min(gapMs, maxMs);
      state.numbers[state.base + sums.plain]! += knownMs;
      if (gapMs > maxMs || cellOf(state, sums.parameters) === 0) {
        addExactProduct(state, sums.exact, from as number, 2 * knownMs);
      } else {
        addExactProduct(state, sums.exact, from as number, knownMs);
        addExactProduct(state, sums.exact, to as number, knownMs);
      }
    },
  };
}

/** Its layout, which is all that results need of it. */
const ANY = integralKind({ name: "", interpolation: "stepped", maxGapMs: undefined });

export function integralAccumulator(of: Integrated): OrderedAccumulator {
  return segmentAccumulator(integralKind(of));
}

/** ∫ x dt = `sum / (2 · divisor)`, in the field's unit times milliseconds. */
export interface Integral {
  readonly sum: readonly number[];
  /** A whole number of milliseconds where the window begins on a line from the value before it, else 1. */
  readonly divisor: number;
  /** Milliseconds of the window of which x is known. */
  readonly knownMs: number;
}

/** The integral over a window, as far as x is known. */
export function integralOf({ cells, at, window }: Inputs, accumulator: string): Integral {
  const segment = segmentAt(ANY, cells, at[accumulator]!);
  const { before, first, last, cells: sums } = segment;
  const linear = cellOf(cells, sums.parameters) === 1;
  const maxMs = cellOf(cells, sums.parameters + 1) || Number.POSITIVE_INFINITY;
  let knownMs = cellOf(cells, sums.plain);
  let sum = exactComponents(cells, sums.exact).slice();
  if (window === undefined) return { sum, divisor: 1, knownMs };
  const afterMs = window.open ? 0 : Math.min(Math.max(0, window.endMs - last.timeMs), maxMs);
  knownMs += afterMs;
  addProduct(sum, [last.value as number], [2 * afterMs], 1);
  if (before === undefined) return { sum, divisor: 1, knownMs };
  const startMs = startOf(segment, window);
  const leadMs = first.timeMs - startMs;
  const gapMs = first.timeMs - before.timeMs;
  if (leadMs <= 0) return { sum, divisor: 1, knownMs };
  const [x0, x1] = [before.value as number, first.value as number];
  if (!linear || gapMs > maxMs) {
    const heldMs = Math.min(leadMs, Math.max(0, before.timeMs + maxMs - startMs));
    addProduct(sum, [x0], [2 * heldMs], 1);
    return { sum, divisor: 1, knownMs: knownMs + heldMs };
  }
  // From the start, where the line is at x0 + (x1 - x0) (gap - lead) / gap, to x1: all times the gap.
  const whole: number[] = [];
  addProduct(whole, sum, [gapMs], 1);
  addProduct(whole, timesLead(x0, leadMs), [leadMs], 1);
  addProduct(whole, timesLead(x1, leadMs), [2 * gapMs - leadMs], 1);
  sum = whole;
  return { sum, divisor: gapMs, knownMs: knownMs + leadMs };
}

function timesLead(x: number, leadMs: number): number[] {
  const product: number[] = [];
  addProduct(product, [x], [leadMs], 1);
  return product;
}

/**
 * Where of a coarse window the first part has been said before, the rest begins with the first window in it; and no
 * earlier than the value before, which a window between the merged ones may have said.
 */
function startOf({ before }: Segment, { startMs, firstMs }: NonNullable<Inputs["window"]>): number {
  const { timeMs } = before!;
  return timeMs > startMs ? Math.max(timeMs, firstMs ?? startMs) : startMs;
}

/** How a field goes on between its values unless an aggregate says it. */
function interpolationOf(type: FieldType | undefined): Interpolation {
  return type === "float" || type === "decimal" ? "linear" : "stepped";
}

const INTEGRAL = "timeIntegral";
const INTEGRAL_OF = { linear: "linearIntegral", stepped: "steppedIntegral" } as const;

function needs(interpolation: Interpolation | undefined) {
  const name = interpolation === undefined ? INTEGRAL : INTEGRAL_OF[interpolation];
  return ({ type, maxGapMs }: AccumulatedField) => [
    countAccumulator,
    integralAccumulator({ name, interpolation: interpolation ?? interpolationOf(type), maxGapMs }),
  ];
}

function timeAverage(inputs: Inputs, accumulator: string): number | null {
  const { sum, divisor, knownMs } = integralOf(inputs, accumulator);
  if (knownMs === 0) return null;
  return finite(divideExpansions(sum, product(2 * knownMs, divisor)));
}

function product(a: number, b: number): number[] {
  const expansion: number[] = [];
  addProduct(expansion, [a], [b], 1);
  return expansion;
}

/** Seconds of the time that an integral knows. */
export function seconds(ms: number): number {
  return ms / 1_000;
}

const HOUR_MS = 3_600_000;

const BOUNDS =
  "From the last value before the window on; the last value in it is held up to its end, and no value for longer than the field's `maxGap`";

export const timeAggregates: readonly Aggregate[] = [
  {
    name: "timeAverage",
    description: `∫x dt / Σdt over the time of which x is known, on the straight line between two values of a float or decimal field, as it was at the last value of another one. ${BOUNDS}: where the next one is further away, it is held for \`maxGap\`. An early firing knows nothing after its last value; null where no time is known. Unit of the field. Exact, rounded once. OPC UA TimeAverage (Part 13) interpolates up to the end too, towards the value after it.`,
    fields: "numbers",
    needs: needs(undefined),
    result: (inputs) => timeAverage(inputs, INTEGRAL),
  },
  ...(["linear", "stepped"] as const).map(
    (interpolation): Aggregate => ({
      name: `timeAverage(${interpolation})`,
      description: `timeAverage with x ${interpolation === "linear" ? "on the straight line between two values" : "as it was at the last value"}, whatever the field's type.`,
      fields: "numbers",
      needs: needs(interpolation),
      result: (inputs) => timeAverage(inputs, INTEGRAL_OF[interpolation]),
    }),
  ),
  {
    name: "total",
    description: `Time integral ∫x dt over the time of which x is known, per hour: of W it is Wh. Interpolation and bounds as for timeAverage; null where no time is known. Unit of the field times hours, as \`units\` says: SenML's name where it has one (Wh of W), for a rate per hour what is counted (l of l/h), else the unit with \`·h\`. Exact, rounded once. OPC UA Total is the same per second, with the end of TimeAverage.`,
    fields: "numbers",
    unit: timeTotalUnit,
    needs: needs(undefined),
    result(inputs) {
      const { sum, divisor, knownMs } = integralOf(inputs, INTEGRAL);
      if (knownMs === 0) return null;
      return finite(divideExpansions(sum, product(2 * HOUR_MS, divisor)));
    },
  },
  {
    name: "durationGood",
    description: `Time of the window of which x is known, in s as \`units\` says: what timeAverage and total are over. ${BOUNDS}. Rounded once. OPC UA DurationGood goes by the status that values have.`,
    fields: "numbers",
    unit: () => "s",
    needs: needs(undefined),
    result: (inputs) => seconds(integralOf(inputs, INTEGRAL).knownMs),
  },
];
