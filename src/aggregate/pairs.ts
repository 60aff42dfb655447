import { isMissing } from "../model/reading.js";
import { type Aggregate, type AggregateFamily, finite, type Inputs, type OtherField } from "./aggregate.js";
import { type Accumulator, type Cells, cellOf } from "./cells.js";
import { countAccumulator } from "./count.js";
import {
  addExactProduct,
  addSquare,
  addTerm,
  EXACT_CELLS,
  exactComponents,
  mergeExact,
  mergeSavedExacts,
  saveExacts,
} from "./exact-sum.js";
import { addProduct, divideExpansion, roundExpansion } from "./expansion.js";
import { savedCount } from "./saved-numbers.js";

/**
 * Exact sums over the readings in which a field x and another one y both have a value.
 * `pairs(y)`: `[n, Σx, Σy, Σxy]`. `pairSquares(y)`: `[Σx², Σy²]`.
 */
const SUM_X = 1;
const SUM_Y = 1 + EXACT_CELLS;
const PRODUCTS = 1 + 2 * EXACT_CELLS;
const SQUARES_Y = EXACT_CELLS;

export function pairsAccumulator(other: string, { place, meaning }: OtherField): Accumulator {
  return {
    name: `pairs(${other})`,
    kind: meaning,
    cells: 1 + 3 * EXACT_CELLS,
    add(state, at, reading, field) {
      const { values } = reading;
      if (isMissing(values[place]!)) return;
      state.numbers[state.base + at]!++;
      addTerm(state, at + SUM_X, reading, field);
      addTerm(state, at + SUM_Y, reading, place);
      addExactProduct(state, at + PRODUCTS, values[field] as number, values[place] as number);
    },
    merge(into, at, from) {
      into.numbers[into.base + at]! += cellOf(from, at);
      mergeSums(into, at + SUM_X, from, 3);
    },
    save: (state, at) => [cellOf(state, at), ...saveExacts(state, at + SUM_X, 3)],
    mergeSaved(into, at, [count, ...sums]) {
      into.numbers[into.base + at]! += savedCount(count);
      mergeSavedExacts(into, at + SUM_X, sums);
    },
  };
}

export function pairSquaresAccumulator(other: string, { place, meaning }: OtherField): Accumulator {
  return {
    name: `pairSquares(${other})`,
    kind: meaning,
    cells: 2 * EXACT_CELLS,
    add(state, at, reading, field) {
      if (isMissing(reading.values[place]!)) return;
      addSquare(state, at, reading, field);
      addSquare(state, at + SQUARES_Y, reading, place);
    },
    merge: (into, at, from) => mergeSums(into, at, from, 2),
    save: (state, at) => saveExacts(state, at, 2),
    mergeSaved: (into, at, saved) => mergeSavedExacts(into, at, saved),
  };
}

function mergeSums(into: Cells, at: number, from: Cells, count: number): void {
  for (let i = 0; i < count; i++) mergeExact(into, at + i * EXACT_CELLS, from);
}

const BOTH = "over the readings in which both fields have a value";

export const pairFamilies: readonly AggregateFamily[] = [
  family({
    kind: "covariance",
    description: `Sample covariance with another field y, (n Σxy - Σx Σy) / (n (n - 1)), ${BOTH}; null for fewer than two. The product of the two units. Exact, rounded once.`,
    squares: false,
    result: (inputs, other) => covariance(inputs, other, 1),
  }),
  family({
    kind: "covariancePopulation",
    description: `Population covariance with another field y, (n Σxy - Σx Σy) / n², ${BOTH}; null for none. The product of the two units. Exact, rounded once.`,
    squares: false,
    result: (inputs, other) => covariance(inputs, other, 0),
  }),
  family({
    kind: "correlation",
    description: `Pearson's coefficient of correlation with another field y, (n Σxy - Σx Σy) / √((n Σx² - (Σx)²) (n Σy² - (Σy)²)), ${BOTH}; null where x or y does not vary. From -1 to 1, without a unit. From exact sums, off by a share of 2^-50 at most.`,
    squares: true,
    result: correlation,
  }),
];

interface Relation {
  readonly kind: string;
  readonly description: string;
  /** Whether it needs the sums of squares. */
  readonly squares: boolean;
  readonly result: (inputs: Inputs, other: string) => number | null;
}

function family({ kind, description, squares, result }: Relation): AggregateFamily {
  const exact = new RegExp(`^${kind}\\(([A-Za-z][A-Za-z0-9_]*)\\)$`);
  const make = (name: string, other: string): Aggregate => ({
    name,
    description,
    fields: "numbers",
    other,
    needs: (field) => {
      const its = field.other(other);
      const pairs = [countAccumulator, pairsAccumulator(other, its)];
      return squares ? [...pairs, pairSquaresAccumulator(other, its)] : pairs;
    },
    result: (inputs) => result(inputs, other),
  });
  return {
    name: `${kind}(other)`,
    description,
    fields: "numbers",
    find(name) {
      const other = exact.exec(name)?.[1];
      return other === undefined ? undefined : make(name, other);
    },
    nearest(name) {
      const [, word, other] = LOOSE.exec(name) ?? [];
      return word !== undefined && kindOf(word) === kind ? `${kind}(${other})` : undefined;
    },
  };
}

const LOOSE = /^\s*(\w+)\s*\(\s*([A-Za-z][A-Za-z0-9_]*)\s*\)\s*$/;

function kindOf(word: string): string | undefined {
  const name = word.toLowerCase();
  if (name.startsWith("cor")) return "correlation";
  if (!name.startsWith("cov")) return undefined;
  return name.includes("pop") ? "covariancePopulation" : "covariance";
}

/** n Σxy - Σx Σy, exactly. */
function codeviation({ cells, at }: Inputs, other: string): number[] {
  const pairs = at[`pairs(${other})`]!;
  const result: number[] = [];
  addProduct(result, exactComponents(cells, pairs + PRODUCTS), [cellOf(cells, pairs)], 1);
  addProduct(result, exactComponents(cells, pairs + SUM_X), exactComponents(cells, pairs + SUM_Y), -1);
  return result;
}

function covariance(inputs: Inputs, other: string, ddof: 0 | 1): number | null {
  const n = cellOf(inputs.cells, inputs.at[`pairs(${other})`]!);
  if (n - ddof <= 0) return null;
  return finite(divideExpansion(codeviation(inputs, other), n * (n - ddof)));
}

function correlation(inputs: Inputs, other: string): number | null {
  const { cells, at } = inputs;
  const pairs = at[`pairs(${other})`]!;
  const squares = at[`pairSquares(${other})`]!;
  // n² times the variance, rounded once.
  const spread = (sum: number, ofSquares: number): number => {
    const result: number[] = [];
    const total = exactComponents(cells, pairs + sum);
    addProduct(result, exactComponents(cells, squares + ofSquares), [cellOf(cells, pairs)], 1);
    addProduct(result, total, total, -1);
    return roundExpansion(result);
  };
  const x = spread(SUM_X, 0);
  const y = spread(SUM_Y, SQUARES_Y);
  if (x === 0 || y === 0) return null;
  // The product of the roots has half the exponent of that of the squares, and does not overflow.
  const ratio = roundExpansion(codeviation(inputs, other)) / (Math.sqrt(x) * Math.sqrt(y));
  return Math.min(1, Math.max(-1, ratio));
}
