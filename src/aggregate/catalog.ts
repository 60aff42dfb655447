import type { Field, FieldType } from "../model/profile.js";
import { formatInstant } from "../model/time.js";
import { type Accumulator, type Cells, cellOf } from "./cells.js";
import { countAccumulator } from "./count.js";
import { endsAccumulator, endValue } from "./ends.js";
import { exactComponents, squaresAccumulator, sumAccumulator } from "./exact-sum.js";
import { addProduct, divideExpansion, roundExpansion } from "./expansion.js";
import { extentAccumulator } from "./extent.js";

/** What an aggregate's result is computed from: the merged cells of a window and where each accumulator lies. */
export interface Inputs {
  readonly cells: Cells;
  /** First cell of the field's accumulator of that name. */
  readonly at: Readonly<Record<string, number>>;
  readonly field: Pick<Field, "values">;
}

/** One aggregate that a profile may request. Results never depend on the order in which readings arrived. */
export interface Aggregate {
  readonly name: string;
  /** For the reference documentation: formula, unit, after whom it is named. */
  readonly description: string;
  readonly needs: readonly Accumulator[];
  /** Whether text fields may have it. */
  readonly text?: true;
  /** Called only when the window has at least one value of the field; null where the value is undefined. */
  result(inputs: Inputs): number | string | null;
}

const moments = [countAccumulator, sumAccumulator, squaresAccumulator];

const AGGREGATES: readonly Aggregate[] = [
  {
    name: "count",
    description: "Number of values.",
    needs: [countAccumulator],
    text: true,
    result: ({ cells, at }) => cellOf(cells, at.count!),
  },
  {
    name: "sum",
    description: "Σx, correctly rounded. Unit of the field. OPC UA Total is the time integral, not this.",
    needs: [countAccumulator, sumAccumulator],
    result: ({ cells, at }) => finite(roundExpansion(exactComponents(cells, at.sum!))),
  },
  {
    name: "mean",
    description: "Σx / n, from the exact sum. Unit of the field. OPC UA Average.",
    needs: [countAccumulator, sumAccumulator],
    result: ({ cells, at }) =>
      finite(divideExpansion(exactComponents(cells, at.sum!), cellOf(cells, at.count!))),
  },
  {
    name: "min",
    description: "Smallest value. Unit of the field. OPC UA Minimum.",
    needs: [countAccumulator, extentAccumulator],
    result: ({ cells, at }) => cellOf(cells, at.extent! + 1),
  },
  {
    name: "max",
    description: "Largest value. Unit of the field. OPC UA Maximum.",
    needs: [countAccumulator, extentAccumulator],
    result: ({ cells, at }) => cellOf(cells, at.extent! + 3),
  },
  {
    name: "minTime",
    description: "Earliest event time of the smallest value. OPC UA MinimumActualTime.",
    needs: [countAccumulator, extentAccumulator],
    result: ({ cells, at }) => formatInstant(cellOf(cells, at.extent! + 2)),
  },
  {
    name: "maxTime",
    description: "Earliest event time of the largest value. OPC UA MaximumActualTime.",
    needs: [countAccumulator, extentAccumulator],
    result: ({ cells, at }) => formatInstant(cellOf(cells, at.extent! + 4)),
  },
  {
    name: "range",
    description: "max - min. Unit of the field. OPC UA Range.",
    needs: [countAccumulator, extentAccumulator],
    result: ({ cells, at }) => cellOf(cells, at.extent! + 3) - cellOf(cells, at.extent! + 1),
  },
  {
    name: "variance",
    description: "Sample variance, (n Σx² - (Σx)²) / (n (n - 1)); null for one value. OPC UA VarianceSample.",
    needs: moments,
    result: (inputs) => variance(inputs, 1),
  },
  {
    name: "variancePopulation",
    description: "Population variance, (n Σx² - (Σx)²) / n². OPC UA VariancePopulation.",
    needs: moments,
    result: (inputs) => variance(inputs, 0),
  },
  {
    name: "stddev",
    description: "Square root of the sample variance; null for one value. OPC UA StandardDeviationSample.",
    needs: moments,
    result: (inputs) => squareRoot(variance(inputs, 1)),
  },
  {
    name: "stddevPopulation",
    description: "Square root of the population variance. OPC UA StandardDeviationPopulation.",
    needs: moments,
    result: (inputs) => squareRoot(variance(inputs, 0)),
  },
  {
    name: "first",
    description: "Value with the earliest event time. OPC UA Start.",
    needs: [countAccumulator, endsAccumulator],
    text: true,
    result: (inputs) => named(inputs, 2),
  },
  {
    name: "last",
    description: "Value with the latest event time. OPC UA End.",
    needs: [countAccumulator, endsAccumulator],
    text: true,
    result: (inputs) => named(inputs, 4),
  },
  {
    name: "firstTime",
    description: "Earliest event time of a value.",
    needs: [countAccumulator, endsAccumulator],
    text: true,
    result: ({ cells, at }) => formatInstant(cellOf(cells, at.ends! + 1)),
  },
  {
    name: "lastTime",
    description: "Latest event time of a value.",
    needs: [countAccumulator, endsAccumulator],
    text: true,
    result: ({ cells, at }) => formatInstant(cellOf(cells, at.ends! + 3)),
  },
];

const BY_NAME: ReadonlyMap<string, Aggregate> = new Map(AGGREGATES.map((a) => [a.name, a]));

/** Every aggregate, for reference documentation. */
export function allAggregates(): readonly Aggregate[] {
  return AGGREGATES;
}

export function findAggregate(name: string): Aggregate | undefined {
  return BY_NAME.get(name);
}

/** Names of the aggregates that a field of this type may have. */
export function aggregateNames(type: FieldType): readonly string[] {
  const textual = type === "string" || type === "enum";
  return AGGREGATES.filter((a) => !textual || a.text === true).map((a) => a.name);
}

/** (n Σx² - (Σx)²) / (n (n - ddof)) with an exact numerator: no cancellation however large the mean. */
function variance({ cells, at }: Inputs, ddof: 0 | 1): number | null {
  const n = cellOf(cells, at.count!);
  if (n - ddof <= 0) return null;
  const sum = exactComponents(cells, at.sum!);
  const numerator: number[] = [];
  addProduct(numerator, exactComponents(cells, at.squares!), [n], 1);
  addProduct(numerator, sum, sum, -1);
  return finite(divideExpansion(numerator, n * (n - ddof)));
}

function squareRoot(x: number | null): number | null {
  return x === null ? null : Math.sqrt(x);
}

/** JSON has no Infinity; a result that overflows is null. */
function finite(x: number): number | null {
  return Number.isFinite(x) ? x : null;
}

/** An end of the window, with an enum's name and a boolean's 0 or 1. */
function named({ cells, at, field }: Inputs, offset: 2 | 4): FieldResult {
  const value = endValue(cells, at.ends! + offset);
  return typeof value === "number" && field.values !== undefined ? (field.values[value] ?? null) : value;
}

type FieldResult = number | string | null;
