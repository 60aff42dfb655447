import { accumulatedOf } from "../aggregate/accumulated.js";
import { type Aggregate, accumulatorsOf, unitsOf } from "../aggregate/aggregate.js";
import { findAggregate } from "../aggregate/catalog.js";
import {
  type Accumulator,
  type Cells,
  copyOfExtra,
  isOrdered,
  type OrderedAccumulator,
  setExtra,
} from "../aggregate/cells.js";
import { type CommonCells, commonCells, isCommon, mergeCommon } from "../aggregate/common.js";
import { WeirError } from "../model/errors.js";
import { type EngineProfile, type Field, meaningOf } from "../model/profile.js";
import { REJECT_REASONS, VALUE_FATES, type ValueFate } from "../model/reasons.js";
import type { SummaryValue } from "../model/summary.js";
import { isFolded, type WindowDefinition } from "../model/window.js";
import { type BatchField, takesMany } from "./backlog.js";
import { type FoldKind, foldKind } from "./fold-kinds.js";
import { RunningMerges } from "./running.js";
import { SliceMemory, type SliceRoom } from "./slice.js";
import { hashText } from "./value-hash.js";
import { type WindowTimes, windowTimes } from "./window-times.js";

/**
 * How a profile's slices are laid out and cut, worked out once when the profile is loaded.
 *
 * Cells of a slice: first the readings by fate (accepted, then one cell per rejection reason), then per field the
 * values by fate (removed, clamped, flagged), then per field its accumulators.
 */
export interface Plan {
  readonly profile: EngineProfile;
  /** `id@version`, as summaries have it. */
  readonly label: string;
  readonly windows: readonly BoundedPlan[];
  readonly folds: readonly FoldPlan[];
  /** Whether any window says early what it has. */
  readonly early: boolean;
  /** Accumulators of each field, with the first cell of each. */
  readonly fields: readonly FieldPlan[];
  /** Fields with accumulators to which order means something (ordered.ts). */
  readonly ordered: readonly OrderedField[];
  readonly cellCount: number;
  /** Cells in front, which count readings and values by fate. */
  readonly counterCount: number;
  /** Where its slices get their memory. */
  readonly slices: SliceMemory;
  /** What overlapping windows have in common; undefined where none overlap, or to some of it order means something. */
  readonly running: RunningMerges | undefined;
}

/** A definition whose windows are known from time alone. */
export interface BoundedPlan extends WindowPlan {
  /** Among the others of its sort. */
  readonly index: number;
  readonly times: WindowTimes;
  readonly isGlobal: boolean;
}

/** A definition whose windows follow from the readings. */
export interface FoldPlan extends WindowPlan {
  readonly kind: FoldKind;
}

export interface WindowPlan {
  readonly definition: WindowDefinition;
  /** Whether its windows follow one another without overlap, so that their summaries may be merged. */
  readonly tiles: boolean;
  /** Identifies everything that gives a window's results their meaning: equal signatures may go on together. */
  readonly signature: string;
  /** The same without what only says when it fires: the results of equal ones may be merged. */
  readonly meaning: string;
  /** Of `meaning`, as partials say it. */
  readonly digest: string;
  readonly outputs: readonly OutputPlan[];
  /** Adds to cells all counters of others, and of what no order means anything to what the outputs ask for. */
  readonly merge: (into: Cells, from: Cells) => void;
}

export interface OutputPlan {
  readonly field: Field;
  readonly plan: FieldPlan;
  readonly aggregates: readonly Aggregate[];
  /** What stands before the results. */
  readonly units: Readonly<Record<string, SummaryValue>>;
  /** Place of the field in the profile. */
  readonly index: number;
  /** What the results of this window are computed from. */
  readonly accumulators: readonly Accumulator[];
  /** Names of the values, where a result has one of them. */
  readonly values: readonly string[] | undefined;
}

/** Accumulators of a field: those that `addCommon` adds to, where values are numbers, and the others. */
interface Gathering {
  readonly common: CommonCells | undefined;
  readonly rest: readonly Slot<Accumulator>[];
}

export interface FieldPlan extends Gathering {
  readonly name: string;
  /** Accumulators to which values may be added in any order. */
  readonly slots: readonly Slot<Accumulator>[];
  /** Those of `rest` to which they are added one by one, as they come; to the others many in one go (backlog.ts). */
  readonly single: readonly Slot<Accumulator>[];
  /** Those to which they are added in the order of time. */
  readonly ordered: readonly Slot<OrderedAccumulator>[];
  /** First cell by accumulator name. */
  readonly at: Readonly<Record<string, number>>;
  /** First of the cells that count values by fate. */
  readonly fatesAt: number;
}

export interface Slot<T extends Accumulator> {
  readonly accumulator: T;
  /** First cell. */
  readonly at: number;
}

export interface OrderedField {
  readonly field: number;
  /** Among the values that rows keep. */
  readonly place: number;
  /** Cell that counts its values. */
  readonly countAt: number;
  readonly slots: readonly Slot<OrderedAccumulator>[];
}

/** Cell that counts the accepted readings of a slice. */
export const ACCEPTED_CELL = 0;

/** Cell that counts readings rejected for the reason with this code. */
export function rejectedCell(reasonCode: number): number {
  return 1 + reasonCode;
}

export const VALUE_FATE_CODE: Readonly<Record<ValueFate, number>> = {
  outOfRange: 0,
  removed: 1,
  clamped: 2,
  flagged: 3,
};

export function planProfile(profile: EngineProfile, room: SliceRoom): Plan {
  const needs = profile.fields.map((field, i) => {
    const requests = profile.windows.flatMap(({ aggregates }) =>
      aggregates.filter((each) => each.field === i),
    );
    const aggregates = requests.flatMap(({ names }) => names.map(aggregateOf));
    return accumulatorsOf(aggregates, accumulatedOf(profile, field));
  });
  let next = rejectedCell(REJECT_REASONS.length);
  const fatesAt = profile.fields.map((_, i) => next + i * VALUE_FATES.length);
  next += profile.fields.length * VALUE_FATES.length;
  const counterCount = next;
  const fields = profile.fields.map((field, i): FieldPlan => {
    const at: Record<string, number> = {};
    const slots: Slot<Accumulator>[] = [];
    const ordered: Slot<OrderedAccumulator>[] = [];
    for (const accumulator of needs[i]!) {
      if (isOrdered(accumulator)) ordered.push({ accumulator, at: next });
      else slots.push({ accumulator, at: next });
      at[accumulator.name] = next;
      next += accumulator.cells;
    }
    const gathered = gathering(field.type === "string", slots);
    return {
      name: field.name,
      slots,
      ...gathered,
      single: gathered.rest.filter((slot) => !takesMany(slot)),
      ordered,
      at,
      fatesAt: fatesAt[i]!,
    };
  });
  const windows: BoundedPlan[] = [];
  const folds: FoldPlan[] = [];
  for (const definition of profile.windows) {
    const { kind } = definition;
    const window = planWindow({ profile, definition, fields, counterCount });
    if (isFolded(kind)) folds.push({ ...window, kind: foldKind(kind) });
    else {
      const isGlobal = kind.type === "global";
      windows.push({ ...window, index: windows.length, times: windowTimes(kind), isGlobal });
    }
  }
  const label = `${profile.id}@${profile.version}`;
  // A fold's own conditions may look at any field.
  const kept = [...fields.keys()].filter((i) => folds.length > 0 || fields[i]!.ordered.length > 0);
  const ordered = fields.flatMap(({ ordered: slots, at }, field): OrderedField[] =>
    slots.length === 0 ? [] : [{ field, place: kept.indexOf(field), countAt: at.count!, slots }],
  );
  const textual = kept.map((i) => profile.fields[i]!.type === "string");
  const batched = fields.flatMap(({ rest }, field): BatchField[] => {
    const slots = rest.filter(takesMany);
    return slots.length === 0 ? [] : [{ field, slots }];
  });
  const slices = new SliceMemory({ cellCount: next, kept, textual, batched, room });
  const early = [...windows, ...folds].some(({ definition }) => definition.earlyMs !== undefined);
  const overlap = windows.some(({ definition }) => definition.kind.type === "hopping");
  const laid = { fields, counterCount };
  const running =
    overlap && ordered.length === 0
      ? new RunningMerges(slices, (into, from) => mergeUnordered(laid, into, from))
      : undefined;
  const cells = { ...laid, cellCount: next };
  return { profile, label, windows, folds, early, ...cells, ordered, slices, running };
}

function gathering(isText: boolean, slots: readonly Slot<Accumulator>[]): Gathering {
  if (isText) return { common: undefined, rest: slots };
  return { common: commonCells(slots), rest: slots.filter(({ accumulator }) => !isCommon(accumulator)) };
}

function mergingOf({
  fields,
  counterCount,
  outputs,
}: Laid & Pick<WindowPlan, "outputs">): WindowPlan["merge"] {
  const asked = fields.map(({ common, slots }, i): Gathering => {
    const its = outputs.filter(({ index }) => index === i).flatMap(({ accumulators }) => accumulators);
    const names = new Set(its.map(({ name }) => name));
    return gathering(
      common === undefined,
      slots.filter(({ accumulator }) => names.has(accumulator.name)),
    );
  });
  return (into, from) => {
    mergeCounters(counterCount, into, from);
    for (const each of asked) mergeField(each, into, from);
  };
}

function planWindow(from: {
  readonly profile: EngineProfile;
  readonly definition: WindowDefinition;
  readonly fields: readonly FieldPlan[];
  readonly counterCount: number;
}): WindowPlan {
  const { definition, profile, fields, counterCount } = from;
  const outputs = definition.aggregates.map(({ field, names }) =>
    planOutput(profile, field, fields[field]!, names.map(aggregateOf)),
  );
  const fieldMeanings = outputs.map(({ field, aggregates, accumulators }) => [
    field.name,
    field.type,
    field.unit ?? null,
    field.values ?? null,
    aggregates.map((a) => a.name),
    ...accumulators.flatMap(({ kind }) => kind ?? []),
  ]);
  const meaning = JSON.stringify([definition.name, definition.kind, fieldMeanings]);
  return {
    definition,
    tiles: definition.kind.type === "tumbling" || definition.kind.type === "day",
    signature: JSON.stringify([
      definition.name,
      definition.kind,
      definition.allowedLatenessMs,
      definition.earlyMs ?? null,
      definition.fill ?? null,
      fieldMeanings,
      ...conditionMeanings(profile, definition),
      ...(definition.forGroup === undefined ? [] : [definition.forGroup]),
    ]),
    meaning,
    digest: hashText(meaning).toString(16).padStart(14, "0"),
    outputs,
    merge: mergingOf({ fields, counterCount, outputs }),
  };
}

/** Of the fields that decide over the bounds of its windows. */
function conditionMeanings({ fields }: EngineProfile, { kind }: WindowDefinition): string[] {
  if (kind.type !== "state" && kind.type !== "sliding") return [];
  // A name that is only a part of another one ends a window that could go on, at a change of that field.
  return fields.filter(({ name }) => kind.source.includes(name)).map(meaningOf);
}

function planOutput(
  profile: EngineProfile,
  index: number,
  plan: FieldPlan,
  aggregates: readonly Aggregate[],
): OutputPlan {
  const field = profile.fields[index]!;
  const units = unitsOf(field.unit, aggregates);
  const accumulators = accumulatorsOf(aggregates, accumulatedOf(profile, field));
  const named = accumulators.some(({ name }) => name === "ends" || name === "tally");
  const values = named ? field.values : undefined;
  return { field, plan, aggregates, units, index, accumulators, values };
}

function aggregateOf(name: string): Aggregate {
  const aggregate = findAggregate(name);
  if (aggregate === undefined) throw new WeirError("unknown-aggregate", `there is no aggregate "${name}"`);
  return aggregate;
}

/** Adds everything `from` has gathered to `into`; both follow `plan`, and `from` follows `into` in time. */
export function mergeCells(plan: Plan, into: Cells, from: Cells): void {
  mergeUnordered(plan, into, from);
  for (const { slots } of plan.ordered) {
    for (const { accumulator, at } of slots) accumulator.merge(into, at, from);
  }
}

/** The same of what no order means anything to. */
export function mergeUnordered(plan: Laid, into: Cells, from: Cells): void {
  mergeCounters(plan.counterCount, into, from);
  for (const field of plan.fields) mergeField(field, into, from);
}

/** Where there is what in cells. */
type Laid = Pick<Plan, "fields" | "counterCount">;

function mergeCounters(count: number, into: Cells, from: Cells): void {
  const { numbers: sums, base: at } = into;
  const { numbers, base } = from;
  for (let i = 0; i < count; i++) sums[at + i]! += numbers[base + i]!;
}

function mergeField({ common, rest }: Gathering, into: Cells, from: Cells): void {
  if (common !== undefined) mergeCommon(into, common, from);
  for (const { accumulator, at } of rest) accumulator.merge(into, at, from);
}

/** The same contents under another plan: fields and accumulators that both have, by name and kind. */
export function translateCells(from: Plan, to: Plan, cells: Cells, empty: Cells): Cells {
  copy(cells, 0, empty, 0, rejectedCell(REJECT_REASONS.length));
  for (const target of to.fields) {
    const source = from.fields.find((field) => field.name === target.name);
    if (source === undefined) continue;
    copy(cells, source.fatesAt, empty, target.fatesAt, VALUE_FATES.length);
    const slots = [...source.slots, ...source.ordered];
    for (const { accumulator, at } of [...target.slots, ...target.ordered]) {
      const { name, kind } = accumulator;
      const same = slots.find(({ accumulator: its }) => its.name === name && its.kind === kind);
      if (same !== undefined) copy(cells, same.at, empty, at, accumulator.cells);
    }
  }
  return empty;
}

function copy(from: Cells, fromAt: number, to: Cells, toAt: number, count: number): void {
  for (let i = 0; i < count; i++) {
    to.numbers[to.base + toAt + i] = from.numbers[from.base + fromAt + i]!;
    const extra = from.extras?.get(fromAt + i);
    if (extra !== undefined) setExtra(to, toAt + i, copyOfExtra(extra));
  }
}
