import { WeirError } from "../model/errors.js";
import type { AccumulatorState, FieldPartials, Partials } from "../model/partials.js";
import {
  fieldsWithState,
  type Summary,
  type SummaryField,
  type SummaryQuality,
  type SummaryValue,
} from "../model/summary.js";
import { type Aggregate, accumulatorsOf, resultNames, unitsOf, type WindowBounds } from "./aggregate.js";
import { findAggregate } from "./catalog.js";
import { type Accumulator, isOrdered, newCells, type OrderedAccumulator } from "./cells.js";
import type { EarlierWindows } from "./earlier-windows.js";
import { MERGED } from "./saved-state.js";

/** Merging the fields of summaries: their states, and the results that are computed anew from what comes of it. */
export interface FieldRules {
  /** Aggregates that are left out. */
  readonly without?: ReadonlySet<string> | undefined;
  /** Whether the readings of several devices come together: none of their orders is one, then. */
  readonly devices?: boolean | undefined;
  /** Whether fields stand in the order of their names, because there is no profile that they share. */
  readonly byName?: boolean | undefined;
}

/** A summary that is merged. */
export interface Stated {
  readonly summary: Summary;
  readonly partials: Partials;
}

/** A field while it is being merged. */
interface Merging {
  readonly name: string;
  readonly unit: string | undefined;
  readonly aggregates: readonly Aggregate[];
  readonly index: number;
  readonly values: readonly string[] | undefined;
  readonly accumulators: readonly Accumulator[];
  readonly at: Readonly<Record<string, number>>;
  readonly cells: ReturnType<typeof newCells>;
}

export class FieldsMerge {
  readonly #rules: FieldRules;
  readonly #merged = new Map<string, Merging>();

  constructor(rules: FieldRules = {}) {
    this.#rules = rules;
  }

  /**
   * Adds summaries, of which none holds a reading from before one that was added earlier, where order means something.
   * @throws WeirError `unmergeable`
   */
  add(members: readonly Stated[]): void {
    const found = new Map<string, FieldPartials[]>();
    for (const { summary, partials } of members) {
      for (const name of fieldsWithState(summary)) {
        const partial = partials[name];
        if (partial === undefined) throw unmergeable(`the field ${name} has no state to merge`);
        if (this.#take(name, summary.fields[name]!, partial) === undefined) continue;
        const others = found.get(name);
        if (others === undefined) found.set(name, [partial]);
        else others.push(partial);
      }
    }
    for (const [name, partials] of found) mergeStates(this.#merged.get(name)!, partials);
  }

  /** @returns undefined where nothing is left of the field */
  #take(name: string, field: SummaryField, partial: FieldPartials): Merging | undefined {
    const { without } = this.#rules;
    const names = resultNames(field).filter((each) => without?.has(each) !== true);
    if (names.length === 0) return undefined;
    const known = this.#merged.get(name);
    if (known !== undefined) {
      const difference = differenceOf(known, { names, field, partial, byName: this.#rules.byName });
      if (difference !== undefined) throw unmergeable(`the field ${name} has ${difference}`);
      return known;
    }
    const begun = begin(name, names.map(aggregateOf), field, partial);
    if (this.#rules.devices === true) refuseOrdered(begun);
    if (this.#rules.byName === true) refusePairs(begun);
    this.#merged.set(name, begun);
    return begun;
  }

  /** Notes the last values before the window, where windows before it are known that summaries did not know of. */
  follow(earlier: EarlierWindows, startMs: number): void {
    for (const { name, accumulators, at, cells } of this.#merged.values()) {
      for (const accumulator of accumulators.filter(isOrdered)) {
        const saved = earlier.last(name, accumulator, startMs);
        if (saved !== undefined) accumulator.follow(cells, at[accumulator.name]!, saved);
      }
    }
  }

  results(window: WindowBounds | undefined, quality: SummaryQuality): Record<string, SummaryField> {
    return Object.fromEntries(
      this.#inOrder().map((field) => [field.name, resultsOf(field, window, quality)]),
    );
  }

  partials(): Partials {
    const place = (field: Merging, i: number) => (this.#rules.byName === true ? i : field.index);
    return Object.fromEntries(
      this.#inOrder().map((field, i) => [field.name, { ...stateOf(field), index: place(field, i) }]),
    );
  }

  /** Places in the profile, as far as there is one and they are known. */
  places(): ReadonlyMap<string, number> {
    if (this.#rules.byName === true) return new Map();
    return new Map([...this.#merged.values()].map(({ name, index }) => [name, index]));
  }

  /** As the profile has them. */
  #inOrder(): Merging[] {
    const byName = this.#rules.byName === true;
    return [...this.#merged.values()].sort((a, b) =>
      byName ? (a.name < b.name ? -1 : 1) : a.index - b.index,
    );
  }
}

function unmergeable(message: string, hint?: string): WeirError {
  return new WeirError("unmergeable", message, hint === undefined ? {} : { hint });
}

function begin(
  name: string,
  aggregates: readonly Aggregate[],
  field: SummaryField,
  { index, values, state }: FieldPartials,
): Merging {
  const accumulators = accumulatorsOf(aggregates, MERGED);
  const at: Record<string, number> = {};
  let next = 0;
  for (const accumulator of accumulators) {
    if (state[accumulator.name] === undefined) {
      throw unmergeable(`the field ${name} has no ${accumulator.name} to merge`);
    }
    at[accumulator.name] = next;
    next += accumulator.cells;
  }
  const unit = field.unit as string | undefined;
  return { name, unit, aggregates, index, values, accumulators, at, cells: newCells(next) };
}

function aggregateOf(name: string): Aggregate {
  const aggregate = findAggregate(name);
  if (aggregate === undefined) throw unmergeable(`there is no aggregate "${name}"`);
  return aggregate;
}

/** What differs, in words; undefined where a field means the same. */
function differenceOf(
  into: Merging,
  its: {
    readonly names: readonly string[];
    readonly field: SummaryField;
    readonly partial: FieldPartials;
    readonly byName: boolean | undefined;
  },
): string | undefined {
  const same = (a: readonly string[] = [], b: readonly string[] = []) => a.join("\0") === b.join("\0");
  const names = into.aggregates.map(({ name }) => name);
  const { names: others, field, partial } = its;
  if (into.unit !== field.unit) return `the unit ${into.unit ?? "none"}, and ${field.unit ?? "none"}`;
  if (!same(names, others)) return `the aggregates ${names.join(", ")}, and ${others.join(", ")}`;
  if (!same(into.values, partial.values)) return "other values";
  return into.index === partial.index || its.byName === true ? undefined : "another place in its profile";
}

/** What goes by the time of one device: a history, or how often it should have sent. */
function refuseOrdered({ name, aggregates, accumulators }: Merging): void {
  const own = accumulators.filter((each) => isOrdered(each) || each.name === "period");
  if (own.length === 0) return;
  const names = needing(aggregates, own);
  throw unmergeable(`${names.join(", ")} of ${name} means something for one device only`, without(names));
}

/** Of the other field a state does not say what it means; the profile would. */
function refusePairs({ name, aggregates, accumulators }: Merging): void {
  const own = accumulators.filter((each) => each.name.startsWith("pair"));
  if (own.length === 0) return;
  const names = needing(aggregates, own);
  throw unmergeable(`${names.join(", ")} of ${name} means something in one profile only`, without(names));
}

function needing(aggregates: readonly Aggregate[], some: readonly Accumulator[]): string[] {
  const names = some.map(({ name }) => name);
  return aggregates
    .filter((aggregate) => aggregate.needs(MERGED).some(({ name }) => names.includes(name)))
    .map(({ name }) => name);
}

function without(names: readonly string[]): string {
  return `leave out what cannot be merged: ${names.map((name) => `--without '${name}'`).join(" ")}`;
}

function mergeStates(into: Merging, partials: readonly FieldPartials[]): void {
  for (const accumulator of into.accumulators) {
    const states = partials.map(({ state }) => {
      const saved = state[accumulator.name];
      if (saved === undefined)
        throw unmergeable(`the field ${into.name} has no ${accumulator.name} to merge`);
      return saved;
    });
    for (const saved of isOrdered(accumulator) ? inTime(accumulator, states) : states) {
      try {
        accumulator.mergeSaved(into.cells, into.at[accumulator.name]!, saved);
      } catch (error) {
        if (!(error instanceof WeirError)) throw error;
        const names = needing(into.aggregates, [accumulator]);
        throw unmergeable(`${names.join(", ")} of ${into.name}: ${error.message}`, without(names));
      }
    }
  }
}

function inTime(accumulator: OrderedAccumulator, states: readonly AccumulatorState[]): AccumulatorState[] {
  return [...states].sort((a, b) => {
    const [[aFirst, aLast], [bFirst, bLast]] = [accumulator.span(a), accumulator.span(b)];
    return aFirst - bFirst || aLast - bLast;
  });
}

function resultsOf(
  { name, unit, aggregates, cells, at, values }: Merging,
  window: WindowBounds | undefined,
  { accepted, fields }: SummaryQuality,
): SummaryField {
  const { clamped = 0, flagged = 0 } = fields?.[name] ?? {};
  const inputs = { cells, at, field: { values }, window, accepted, doubtful: clamped + flagged };
  const result: Record<string, SummaryValue> = unitsOf(unit, aggregates);
  for (const aggregate of aggregates) result[aggregate.name] = aggregate.result(inputs);
  return result;
}

function stateOf({ index, values, accumulators, cells, at }: Merging): FieldPartials {
  const state = accumulators.map((each) => [each.name, each.save(cells, at[each.name]!)] as const);
  return { index, values, state: Object.fromEntries(state) };
}
