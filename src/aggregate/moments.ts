import { type Aggregate, finite, type Inputs } from "./aggregate.js";
import { cellOf } from "./cells.js";
import { countAccumulator } from "./count.js";
import { exactComponents, roughSum, squaresAccumulator, sumAccumulator } from "./exact-sum.js";
import {
  addProduct,
  divideExpansion,
  divideRough,
  productError,
  type Rough,
  roundExpansion,
} from "./expansion.js";

/** Aggregates of exact sums: each is rounded once, so that it is the double nearest to the exact result. */
const sums = [countAccumulator, sumAccumulator];
const moments = [...sums, squaresAccumulator];

export const momentAggregates: readonly Aggregate[] = [
  {
    name: "sum",
    description: "Σx. Unit of the field. Exact, rounded once. OPC UA Total is the time integral, not this.",
    fields: "numbers",
    needs: () => sums,
    result: ({ cells, at }) => finite(roundExpansion(exactComponents(cells, at.sum!))),
  },
  {
    name: "mean",
    description: "Σx / n. Unit of the field. Exact, rounded once. OPC UA Average.",
    fields: "numbers",
    needs: () => sums,
    result: mean,
  },
  {
    name: "variance",
    description:
      "Sample variance, (n Σx² - (Σx)²) / (n (n - 1)); null for one value. The field's unit squared. Exact, rounded once. OPC UA VarianceSample.",
    fields: "numbers",
    needs: () => moments,
    result: (inputs) => variance(inputs, 1),
  },
  {
    name: "variancePopulation",
    description:
      "Population variance, (n Σx² - (Σx)²) / n². The field's unit squared. Exact, rounded once. OPC UA VariancePopulation.",
    fields: "numbers",
    needs: () => moments,
    result: (inputs) => variance(inputs, 0),
  },
  {
    name: "stddev",
    description:
      "Square root of the sample variance; null for one value. Unit of the field. Within one unit in the last place. OPC UA StandardDeviationSample.",
    fields: "numbers",
    needs: () => moments,
    result: (inputs) => squareRoot(variance(inputs, 1)),
  },
  {
    name: "stddevPopulation",
    description:
      "Square root of the population variance. Unit of the field. Within one unit in the last place. OPC UA StandardDeviationPopulation.",
    fields: "numbers",
    needs: () => moments,
    result: (inputs) => squareRoot(variance(inputs, 0)),
  },
];

function mean({ cells, at }: Inputs): number | null {
  const n = cellOf(cells, at.count!);
  const quick = divideRough(roughSum(cells, at.sum!), n);
  return Number.isNaN(quick) ? finite(divideExpansion(exactComponents(cells, at.sum!), n)) : quick;
}

/** (n Σx² - (Σx)²) / (n (n - ddof)) with an exact numerator: no cancellation however large the mean. */
function variance({ cells, at }: Inputs, ddof: 0 | 1): number | null {
  const n = cellOf(cells, at.count!);
  if (n - ddof <= 0) return null;
  const divisor = n * (n - ddof);
  const quick = divideRough(roughSpread(n, roughSum(cells, at.sum!), roughSum(cells, at.squares!)), divisor);
  if (!Number.isNaN(quick)) return quick;
  const sum = exactComponents(cells, at.sum!);
  const numerator: number[] = [];
  addProduct(numerator, exactComponents(cells, at.squares!), [n], 1);
  addProduct(numerator, sum, sum, -1);
  return finite(divideExpansion(numerator, divisor));
}

/**
 * n Σx² - (Σx)² in twice the digits of a double. Exact are the products of what is high, as two doubles each, and their
 * difference (TWO-SUM of expansion.ts). The terms that are left are rounded once and added up in five roundings more,
 * each within 2^-53 of the sum of their magnitudes.
 */
function roughSpread(n: number, sum: Rough, squares: Rough): Rough {
  const above = n * squares.high;
  const below = -sum.high * sum.high;
  const high = above + below;
  const virtual = high - above;
  const lost = above - (high - virtual) + (below - virtual);
  const aboveLost = productError(n, squares.high, above);
  const belowLost = productError(-sum.high, sum.high, below);
  const aboveLow = n * squares.low;
  const belowLow = -2 * sum.high * sum.low;
  const least = -sum.low * sum.low;
  const low = lost + (aboveLost + belowLost) + (aboveLow + belowLow) + least;
  const size =
    Math.abs(lost) +
    (Math.abs(aboveLost) + Math.abs(belowLost)) +
    (Math.abs(aboveLow) + Math.abs(belowLow)) +
    Math.abs(least);
  const given = n * squares.error + 2 * (Math.abs(sum.high) + Math.abs(sum.low) + sum.error) * sum.error;
  return { high, low, error: size * 2 ** -49 + 2 * given };
}

function squareRoot(x: number | null): number | null {
  return x === null ? null : Math.sqrt(x);
}
