import { type Aggregate, finite, type Inputs } from "./aggregate.js";
import { type Accumulator, cellOf } from "./cells.js";
import { countAccumulator } from "./count.js";
import {
  addExact,
  addExactProduct,
  EXACT_CELLS,
  exactComponents,
  mergeExact,
  mergeSavedExacts,
  saveExacts,
  sumAccumulator,
} from "./exact-sum.js";
import { addProduct, divideExpansions } from "./expansion.js";

/** Exact sums over the values of their event times t, milliseconds since the epoch: Σt, Σt², Σtx. */
const TIMES = 0;
const SQUARES = EXACT_CELLS;
const PRODUCTS = 2 * EXACT_CELLS;
const SUMS = 3;

export const trendAccumulator: Accumulator = {
  name: "trend",
  cells: SUMS * EXACT_CELLS,
  add(state, at, { timeMs, values }, field) {
    addExact(state, at + TIMES, timeMs);
    addExactProduct(state, at + SQUARES, timeMs, timeMs);
    addExactProduct(state, at + PRODUCTS, timeMs, values[field] as number);
  },
  merge(into, at, from) {
    for (let i = 0; i < SUMS; i++) mergeExact(into, at + i * EXACT_CELLS, from);
  },
  save: (state, at) => saveExacts(state, at, SUMS),
  mergeSaved: (into, at, saved) => mergeSavedExacts(into, at, saved),
};

const HOUR_MS = 3_600_000;

export const trendAggregates: readonly Aggregate[] = [
  {
    name: "slope",
    description:
      "Slope of the least squares line over event time t, (n Σtx - Σt Σx) / (n Σt² - (Σt)²); null where all values are of one time. The field's unit per hour, as `units` says. Exact, rounded once.",
    fields: "numbers",
    unit: (unit) => `${unit ?? 1}/h`,
    needs: () => [countAccumulator, sumAccumulator, trendAccumulator],
    result: slope,
  },
];

function slope({ cells, at }: Inputs): number | null {
  const n = cellOf(cells, at.count!);
  const times = exactComponents(cells, at.trend! + TIMES);
  const spread: number[] = [];
  addProduct(spread, exactComponents(cells, at.trend! + SQUARES), [n], 1);
  addProduct(spread, times, times, -1);
  if (spread.length === 0) return null;
  const perMs: number[] = [];
  addProduct(perMs, exactComponents(cells, at.trend! + PRODUCTS), [n], 1);
  addProduct(perMs, times, exactComponents(cells, at.sum!), -1);
  const perHour: number[] = [];
  addProduct(perHour, perMs, [HOUR_MS], 1);
  return finite(divideExpansions(perHour, spread));
}
