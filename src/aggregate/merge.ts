import type { CoarseWindow } from "../model/coarse-window.js";
import { WeirError } from "../model/errors.js";
import type { FieldPartials, MergeMember, Partials } from "../model/partials.js";
import {
  canonicalJson,
  fieldsWithState,
  type Summary,
  type SummaryField,
  type SummaryQuality,
  type SummaryValue,
} from "../model/summary.js";
import { formatDuration, formatInstant } from "../model/time.js";
import {
  type AccumulatedField,
  type Aggregate,
  accumulatorsOf,
  resultNames,
  unitsOf,
  type WindowBounds,
} from "./aggregate.js";
import { findAggregate } from "./catalog.js";
import { type Accumulator, newCells } from "./cells.js";

/**
 * Merging the summaries of several windows into the one of a coarser window.
 *
 * The states are merged and every result is computed anew from the merged state, by the same code that computes a
 * window's results; so `fields` is, byte for byte, what one window over all of their readings would have said.
 * `quality` is added up. Everything needed is in the summaries themselves: name, unit and aggregates of a field in
 * the JSON, the rest in its state.
 */
export function mergeSummaries(members: readonly MergeMember[], window: CoarseWindow): MergeMember {
  const summaries = members.map(({ json }) => JSON.parse(json) as Summary);
  const model = summaries.at(-1)!;
  for (const summary of summaries) if (!sameSeries(summary, model)) throw differs(summary);
  const fields = mergeFields(members, summaries);
  const firstMs = Math.min(...members.map((member) => member.firstMs));
  const windows = members.reduce((sum, member) => sum + member.windows, 0);
  const from = model.window.coarsened?.from ?? model.window.name;
  const { gateway, device, profile } = model;
  const name = `${from}~${formatDuration(window.sizeMs)}`;
  const start = formatInstant(window.startMs);
  const quality = mergeQuality(summaries.map((each) => each.quality));
  const summary: Summary = {
    id: coarseId(model, name, firstMs === window.startMs ? start : `${start}@${formatInstant(firstMs)}`),
    revision: 0,
    final: true,
    ...(summaries.some(({ reconfigured }) => reconfigured) ? { reconfigured: true } : {}),
    ...(summaries.some(({ incomplete }) => incomplete) ? { incomplete: true } : {}),
    gateway,
    device,
    profile,
    window: {
      name,
      kind: model.window.kind,
      start,
      end: formatInstant(window.endMs),
      coarsened: { from, windows },
    },
    fields: Object.fromEntries(
      fields.map((field) => [field.name, resultsOf(field, { ...window, firstMs }, quality)]),
    ),
    quality,
  };
  const partials = Object.fromEntries(fields.map((field) => [field.name, stateOf(field)]));
  return { json: canonicalJson(summary), partials, firstMs, windows };
}

function sameSeries(a: Summary, b: Summary): boolean {
  const from = ({ window }: Summary) => window.coarsened?.from ?? window.name;
  return (
    a.gateway === b.gateway &&
    a.device === b.device &&
    a.profile === b.profile &&
    from(a) === from(b) &&
    coarseId(a, "", "") === coarseId(b, "", "")
  );
}

function differs({ id }: Summary): WeirError {
  return new WeirError("unmergeable", `${id} is not of the same series as the summaries beside it`);
}

/** The id of a member, `gateway/profile/device/window/start` and perhaps `/part`, with another window and start. */
function coarseId(model: Summary, name: string, start: string): string {
  const profile = model.profile.slice(0, model.profile.lastIndexOf("@"));
  const prefix = `${model.gateway}/${profile}/${encodeURIComponent(model.device)}`;
  const [, , part] = model.id.slice(prefix.length + 1).split("/");
  return `${prefix}/${name}/${start}${part === undefined ? "" : `/${part}`}`;
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

/** In the order of the profile. */
function mergeFields(members: readonly MergeMember[], summaries: readonly Summary[]): Merging[] {
  const merged = new Map<string, Merging>();
  const inOrder = [...members.entries()].sort(([, a], [, b]) => a.firstMs - b.firstMs);
  for (const [i, { partials }] of inOrder) {
    for (const name of fieldsWithState(summaries[i]!)) {
      const field = summaries[i]!.fields[name]!;
      const partial = partialOf(partials, name);
      let into = merged.get(name);
      if (into === undefined) {
        into = begin(name, field, partial);
        merged.set(name, into);
      } else if (!sameMeaning(into, field, partial)) {
        throw new WeirError("unmergeable", `the field ${name} of ${summaries[i]!.id} has another meaning`);
      }
      for (const accumulator of into.accumulators) {
        accumulator.mergeSaved(into.cells, into.at[accumulator.name]!, partial.state[accumulator.name]!);
      }
    }
  }
  return [...merged.values()].sort((a, b) => a.index - b.index);
}

function partialOf(partials: Partials, name: string): FieldPartials {
  const partial = partials[name];
  if (partial === undefined) throw new WeirError("unmergeable", `the field ${name} has no state to merge`);
  return partial;
}

function begin(name: string, field: SummaryField, { index, values, state }: FieldPartials): Merging {
  const aggregates = resultNames(field).map(aggregateOf);
  const accumulators = accumulatorsOf(aggregates, MERGED);
  const at: Record<string, number> = {};
  let next = 0;
  for (const accumulator of accumulators) {
    if (state[accumulator.name] === undefined) {
      throw new WeirError("unmergeable", `the field ${name} has no ${accumulator.name} to merge`);
    }
    at[accumulator.name] = next;
    next += accumulator.cells;
  }
  const unit = field.unit as string | undefined;
  return { name, unit, aggregates, index, values, accumulators, at, cells: newCells(next) };
}

/** States bring along what their accumulators were made for, and nothing but states is added. */
const MERGED: AccumulatedField = {
  resolution: undefined,
  periodMs: undefined,
  other: () => ({ place: -1, meaning: "" }),
};

function aggregateOf(name: string): Aggregate {
  const aggregate = findAggregate(name);
  if (aggregate === undefined) throw new WeirError("unmergeable", `there is no aggregate "${name}"`);
  return aggregate;
}

function sameMeaning(into: Merging, field: SummaryField, { index, values }: FieldPartials): boolean {
  const same = (a: readonly string[] = [], b: readonly string[] = []) => a.join("\0") === b.join("\0");
  return (
    into.index === index &&
    into.unit === field.unit &&
    same(
      into.aggregates.map(({ name }) => name),
      resultNames(field),
    ) &&
    same(into.values, values)
  );
}

function resultsOf(
  { name, unit, aggregates, cells, at, values }: Merging,
  window: WindowBounds,
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

function mergeQuality(all: readonly SummaryQuality[]): SummaryQuality {
  const counts: Record<string, number> = {};
  const fields: Record<string, Record<string, number>> = {};
  for (const { fields: fates, ...rest } of all) {
    add(counts, rest);
    for (const [name, counted] of Object.entries(fates ?? {})) {
      fields[name] ??= {};
      add(fields[name], counted);
    }
  }
  const { received = 0, accepted = 0, ...rejected } = counts;
  const some = Object.keys(fields).length > 0;
  return { received, accepted, ...(some ? { fields } : {}), ...rejected };
}

function add(into: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) into[name] = (into[name] ?? 0) + count;
}
