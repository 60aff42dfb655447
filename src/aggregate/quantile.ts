import type { Aggregate, AggregateFamily, Inputs } from "./aggregate.js";
import { cellOf } from "./cells.js";
import { countAccumulator } from "./count.js";
import { extentAccumulator } from "./extent.js";
import { histogramAccumulator, valueOfRank } from "./histogram.js";

/** `p95`, `p99.9`: above 0, below 100, without zeros that say nothing, at most six decimals. */
const NAME = /^p(0|[1-9]\d?)(?:\.(\d{0,5}[1-9]))?$/;
/** What people write instead. */
const LOOSE = /^(?:p|pct|perc|percentile)_?(\d+)(?:[.,](\d+))?(?:th)?$/i;

const DESCRIPTION =
  "Quantile by nearest rank: the ceil(q / 100 · n)-th smallest value, from a histogram. Unit of the field. With `resolution`, off by half a step at most, and not at all where values are whole steps, while the window's values span no more than 320 steps; after that by half of the steps that a bucket has. Without, off by a share of (b - 1) / (b + 1) at most, b being the base of the histogram's buckets: 0.017 % where the largest magnitude is up to 1.05 times the smallest, 2.2 % where it is up to 900 times, other than zeros. Never below `min` or above `max`. Definition 1 of Hyndman and Fan (1996); the value that stands for a bucket after Masson, Rim and Lee, DDSketch (2019).";

/** Quantiles by percentage. */
export const quantileFamily: AggregateFamily = {
  name: "p50",
  description: `${DESCRIPTION} Any q between 0 and 100 with up to six decimals, such as \`p95\` and \`p99.9\`.`,
  fields: "numbers",
  find(name) {
    const [, whole, decimals = ""] = NAME.exec(name) ?? [];
    if (whole === undefined || name === "p0") return undefined;
    return quantile(name, BigInt(whole + decimals), 100n * 10n ** BigInt(decimals.length));
  },
  nearest(name) {
    const [, whole, decimals = ""] = LOOSE.exec(name) ?? [];
    if (whole === undefined) return undefined;
    const percent = whole.replace(/^0+(?=\d)/, "");
    const rest = decimals.slice(0, 6).replace(/0+$/, "");
    if (percent.length > 2) return "max";
    if (percent === "0" && rest === "") return "min";
    return rest === "" ? `p${percent}` : `p${percent}.${rest}`;
  },
};

/** @param share of the values, as the fraction `share / of` */
function quantile(name: string, share: bigint, of: bigint): Aggregate {
  return {
    name,
    description: DESCRIPTION,
    fields: "numbers",
    needs: ({ resolution }) => [countAccumulator, histogramAccumulator(resolution), extentAccumulator],
    result({ cells, at }: Inputs) {
      const count = BigInt(cellOf(cells, at.count!));
      const rank = Number((share * count + of - 1n) / of);
      const value = valueOfRank(cells, at.histogram!, rank);
      return Math.min(Math.max(value, cellOf(cells, at.extent! + 1)), cellOf(cells, at.extent! + 3));
    },
  };
}
