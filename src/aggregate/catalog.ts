import { nearest } from "../model/nearest.js";
import type { FieldType } from "../model/profile.js";
import { type Aggregate, type AggregateFamily, suits } from "./aggregate.js";
import { changeAggregates } from "./change.js";
import { completenessAggregates } from "./completeness.js";
import { countAggregates } from "./count.js";
import { distinctAggregates } from "./distinct.js";
import { durationFamily } from "./duration-in.js";
import { endAggregates } from "./ends.js";
import { extentAggregates } from "./extent.js";
import { histogramAggregates } from "./histogram.js";
import { momentAggregates } from "./moments.js";
import { pairFamilies } from "./pairs.js";
import { quantileFamily } from "./quantile.js";
import { tallyAggregates } from "./tally.js";
import { timeAggregates } from "./time-integral.js";
import { transitionAggregates } from "./transitions.js";
import { trendAggregates } from "./trend.js";

const AGGREGATES: readonly Aggregate[] = [
  ...countAggregates,
  ...momentAggregates,
  ...extentAggregates,
  ...endAggregates,
  ...histogramAggregates,
  ...distinctAggregates,
  ...tallyAggregates,
  ...trendAggregates,
  ...completenessAggregates,
  ...timeAggregates,
  ...changeAggregates,
  ...transitionAggregates,
];

const FAMILIES: readonly AggregateFamily[] = [quantileFamily, ...pairFamilies, durationFamily];

const BY_NAME: ReadonlyMap<string, Aggregate> = new Map(AGGREGATES.map((a) => [a.name, a]));

/** Every aggregate, and every family of them that differ by a parameter, for reference documentation. */
export function allAggregates(): readonly Pick<Aggregate, "name" | "description" | "fields">[] {
  return [...AGGREGATES, ...FAMILIES];
}

/** The aggregate of a name, with its parameter where it has one. */
export function findAggregate(name: string): Aggregate | undefined {
  const known = BY_NAME.get(name);
  if (known !== undefined) return known;
  for (const family of FAMILIES) {
    const found = family.find(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Names of the aggregates that a field of this type may have, families by an example. */
export function aggregateNames(type: FieldType): readonly string[] {
  return allAggregates()
    .filter(({ fields }) => suits(fields, type))
    .map(({ name }) => name);
}

/** What a name that there is not was probably meant to be. */
export function nearestAggregate(name: string): string | undefined {
  for (const family of FAMILIES) {
    const guess = family.nearest(name);
    if (guess !== undefined) return guess;
  }
  const bare = FAMILIES.find((family) => family.name.startsWith(`${name}(`));
  return bare?.name ?? nearest(name, BY_NAME.keys());
}
