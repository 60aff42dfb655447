import { type Aggregate, finite, type Inputs } from "./aggregate.js";
import { cellOf } from "./cells.js";
import { countAccumulator } from "./count.js";
import { exactComponents, squaresAccumulator, sumAccumulator } from "./exact-sum.js";
import { addProduct, divideExpansion, roundExpansion } from "./expansion.js";

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
    result: ({ cells, at }) =>
      finite(divideExpansion(exactComponents(cells, at.sum!), cellOf(cells, at.count!))),
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
