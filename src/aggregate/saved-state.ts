import type { AccumulatorState, FieldPartials } from "../model/partials.js";
import type { SummaryField } from "../model/summary.js";
import { type AccumulatedField, accumulatorsOf, resultNames } from "./aggregate.js";
import { findAggregate } from "./catalog.js";
import { type Accumulator, newCells } from "./cells.js";

/** States bring along what their accumulators were made for, and nothing but states is added. */
export const MERGED: AccumulatedField = {
  resolution: undefined,
  periodMs: undefined,
  other: () => ({ place: -1, meaning: "" }),
};

/**
 * Whether a field's states, as far as its results need them, are such as an engine writes. Of each set of readings there
 * is one state, so what is read from it and written again is the same; anything else was damaged on its way, or is no
 * state at all. What is missing is no damage.
 */
export function areSavedStates(field: SummaryField, { state }: Pick<FieldPartials, "state">): boolean {
  const aggregates = resultNames(field).flatMap((name) => findAggregate(name) ?? []);
  return accumulatorsOf(aggregates, MERGED).every((accumulator) => {
    const saved = state[accumulator.name];
    return saved === undefined || isSavedState(accumulator, saved);
  });
}

function isSavedState(accumulator: Accumulator, saved: AccumulatorState): boolean {
  const cells = newCells(accumulator.cells);
  try {
    accumulator.mergeSaved(cells, 0, saved);
    const again = accumulator.save(cells, 0);
    return again.length === saved.length && again.every((item, i) => item === saved[i]);
  } catch {
    return false;
  }
}
