import type { Aggregate } from "../aggregate/aggregate.js";
import { newCells } from "../aggregate/cells.js";
import { LIMITS } from "../model/limits.js";
import type { Field } from "../model/profile.js";
import type { Summary, SummaryField } from "../model/summary.js";
import type { FillRule } from "../model/window.js";
import type { Device, Series } from "./device.js";
import type { BoundedPlan } from "./plan.js";
import { partOf } from "./redefinition.js";
import { describe, type Firing, summarise } from "./summarise.js";

/**
 * A regular series without holes: windows in which nothing was, and fields without a value, get what the profile says.
 *
 * A hole is filled when it has ended: right before the next window with readings is said for the last time, so that
 * what is filled is final, and between two values that are. A hole of more than `emptyWindowsMax` windows stays, and so
 * does one with a window in it that is still open, because a later one had to close before its time. What was filled is
 * told apart by `filled`, and never goes into a coarser window.
 */

/** A device or a group, as far as its series go. */
export interface Regular extends Pick<Device, "name" | "lostThroughMs" | "redefined" | "series"> {
  /** Per definition, by start. */
  readonly open: readonly (readonly { readonly startMs: number }[])[];
}

type Saying = Omit<Firing, "groups" | "shareMax">;

interface Ended {
  readonly plan: BoundedPlan;
  readonly startMs: number;
}

/**
 * To be called with the last word on a window: says what is missing before it.
 * @param room for so many summaries; a hole may be longer than memory is to hold at a time
 * @returns the last word, without holes; undefined where there was no room for all that is before it, which is to be said next
 */
export function filled(
  on: Saying,
  device: Regular,
  window: Ended,
  { summary, room }: { readonly summary: Summary; readonly room: number },
): Summary | undefined {
  const { fill } = window.plan.definition;
  if (fill === undefined) return summary;
  const before = device.series[window.plan.index];
  const whole = before === undefined ? [] : missing(device, window, before);
  const last = before?.fields ?? {};
  let said = 0;
  for (const [i, startMs] of whole.entries()) {
    if (startMs < before!.nextMs) continue;
    if (said++ === room) {
      device.series[window.plan.index] = { ...before!, nextMs: startMs, holeMs: whole[0]! };
      return undefined;
    }
    const between = { last, next: summary.fields, share: (i + 1) / (whole.length + 1) };
    on.summaries.push(emptyWindow(on, device, window.plan, { startMs, fill, between }));
  }
  const holes = fillFields(window.plan, summary, { fill, between: { last, next: last, share: 0 } });
  const nextMs = window.plan.times.next(window.startMs);
  device.series[window.plan.index] = {
    nextMs,
    fields: wanted(window.plan, fill, { ...last, ...holes.fields }),
  };
  return holes;
}

/** What of the last fields the next hole may be filled with. */
function wanted({ outputs }: BoundedPlan, fill: FillRule, fields: Series["fields"]): Series["fields"] {
  if (fill !== "previous" && fill !== "linear") return {};
  const kept: Record<string, SummaryField> = {};
  for (const { field, aggregates } of outputs) {
    const said = fields[field.name];
    if (said === undefined) continue;
    const names = aggregates.filter(goesOn).map(({ name }) => name);
    kept[field.name] = Object.fromEntries(names.map((name) => [name, said[name] ?? null]));
  }
  return kept;
}

/** Whether a result may be filled with what was said before. */
function goesOn({ ofNothing, gives }: Aggregate): boolean {
  return ofNothing === undefined && gives !== "time" && gives !== "mapping";
}

/** Starts of the windows in the hole before one, from the first on; none where it stays. */
function missing(device: Regular, { plan, startMs: toMs }: Ended, { nextMs, holeMs }: Series): number[] {
  // Those before it that are closed have moved `nextMs` on, if they are in the list at all.
  const first = device.open[plan.index]!.find(({ startMs }) => startMs >= nextMs);
  if (first !== undefined && first.startMs < toMs) return [];
  const starts: number[] = [];
  for (let startMs = holeMs ?? nextMs; startMs < toMs; startMs = plan.times.next(startMs)) {
    if (starts.length === LIMITS.emptyWindowsMax) return [];
    starts.push(startMs);
  }
  return starts;
}

interface Between {
  readonly last: Readonly<Record<string, SummaryField>>;
  readonly next: Readonly<Record<string, SummaryField>>;
  /** How far it is from the one to the other, 0 to 1. */
  readonly share: number;
}

interface Filling {
  readonly fill: FillRule;
  readonly between: Between;
}

function emptyWindow(
  on: Saying,
  device: Regular,
  plan: BoundedPlan,
  filling: Filling & { readonly startMs: number },
): Summary {
  const { startMs } = filling;
  const endMs = plan.times.end(startMs);
  const part = partOf(device, plan.definition.name, startMs);
  const window = describe({ plan, startMs, endMs });
  const cells = newCells(on.plan.cellCount);
  const summary = summarise(on, device, {
    plan,
    window,
    startMs,
    endMs,
    part,
    revision: 0,
    final: true,
    cells,
  });
  return fillFields(plan, summary, filling);
}

/** @returns the summary with every field that its window asks for */
function fillFields(plan: BoundedPlan, summary: Summary, { fill, between }: Filling): Summary {
  const names = plan.outputs.map(({ field }) => field.name);
  const holes = names.filter((name) => summary.fields[name] === undefined);
  if (holes.length === 0) return summary;
  const fields: Record<string, SummaryField> = {};
  for (const { field, aggregates, units } of plan.outputs) {
    const { name } = field;
    const given = summary.fields[name];
    if (given !== undefined) fields[name] = given;
    else {
      const entries = aggregates.map((each) => [each.name, fillOf(each, field, fill, between)] as const);
      fields[name] = { ...units, ...Object.fromEntries(entries) };
    }
  }
  return { ...summary, filled: holes, fields };
}

function fillOf(
  aggregate: Aggregate,
  field: Field,
  fill: FillRule,
  { last, next, share }: Between,
): SummaryField[string] {
  const { name, ofNothing, gives } = aggregate;
  if (!goesOn(aggregate)) return ofNothing ?? null;
  if (typeof fill === "number") return canBe(fill, aggregate, field) ? fill : null;
  const before = last[field.name]?.[name] ?? null;
  if (fill === "null") return null;
  const after = next[field.name]?.[name];
  // Nothing is between off and on.
  if (gives === "value" && field.type === "bool") return before;
  if (fill === "previous" || typeof before !== "number" || typeof after !== "number") return before;
  return before + (after - before) * share;
}

/** Whether the result of an aggregate may be this number. */
function canBe(number: number, { gives }: Aggregate, { type }: Field): boolean {
  if (gives !== "value") return gives === undefined;
  return type === "bool" ? number === 0 || number === 1 : type !== "enum" && type !== "string";
}
