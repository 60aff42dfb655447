import { type Cells, cellOf } from "../aggregate/cells.js";
import type { FieldPartials, Mergeable, Partials } from "../model/partials.js";
import { REJECT_REASONS, VALUE_FATES } from "../model/reasons.js";
import type { Summary, SummaryField, SummaryQuality, SummaryValue, SummaryWindow } from "../model/summary.js";
import { fieldStates, PARTIALS_VERSION, type SummaryPartials } from "../model/summary-partials.js";
import { formatInstant } from "../model/time.js";
import type { Device } from "./device.js";
import type { GroupListener } from "./listener.js";
import {
  ACCEPTED_CELL,
  type BoundedPlan,
  type Plan,
  rejectedCell,
  VALUE_FATE_CODE,
  type WindowPlan,
} from "./plan.js";
import { partText } from "./redefinition.js";

/** What a firing says: the summary of a window from what has been gathered in it. */
export interface Firing {
  readonly gateway: string;
  readonly plan: Plan;
  /** Whether nobody wants to hear of firings that are not final. */
  readonly finalOnly: boolean;
  /** Whether summaries come with the state that merging them needs. */
  readonly mergeable: boolean;
  /** The groups that the device is in; undefined for none, and where they have seen the block already. */
  readonly groups: GroupListener | undefined;
  /** Where summaries go. */
  readonly summaries: Summary[];
  /** How much of what is due with a device is done at a time: see `Share`. */
  readonly shareMax: number;
}

/** A window that fires. */
export interface Fired {
  readonly plan: WindowPlan;
  readonly window: SummaryWindow;
  readonly startMs: number;
  readonly endMs: number;
  /** See `OpenWindow.part`. */
  readonly part: number;
  readonly revision: number;
  readonly final: boolean;
  /** See `WindowBounds.open`. */
  readonly open?: boolean | undefined;
  readonly reconfigured?: boolean | undefined;
  readonly retracted?: boolean | undefined;
  readonly cells: Cells;
  /** How many windows of the definition before it began at the same time; none unless said. */
  readonly nth?: number;
}

export function summarise(
  on: Omit<Firing, "groups" | "shareMax">,
  device: Pick<Device, "name" | "lostThroughMs">,
  fired: Fired,
): Summary {
  const { name } = device;
  const { plan, window, revision, final, cells } = fired;
  const { gateway } = on;
  const profile = on.plan.label;
  const part = partText(fired.part);
  const nth = fired.nth === undefined || fired.nth === 0 ? "" : `+${fired.nth}`;
  const id = `${deviceId(on, name)}/${window.name}/${window.start ?? "all"}${nth}${part}`;
  const fields = results(fired);
  const counts = quality(on.plan, cells);
  // Spelled out twice: a spread takes ten times as long as the rest of the object.
  const summary: Writable<Summary> = fired.reconfigured
    ? {
        id,
        revision,
        final,
        reconfigured: true,
        gateway,
        device: name,
        profile,
        window,
        fields,
        quality: counts,
      }
    : { id, revision, final, gateway, device: name, profile, window, fields, quality: counts };
  if (fired.retracted) summary.retracted = true;
  if (device.lostThroughMs.some((throughMs) => fired.startMs <= throughMs)) summary.incomplete = true;
  const merging = on.mergeable && plan.tiles;
  if (!merging && plan.definition.partials !== true) return summary;
  const states = partials(fired);
  if (plan.definition.partials === true) summary.partials = upstream(fired, states);
  if (merging) summary.mergeable = mergeable(fired, `${profile}/${deviceId(on, name)}${part}`, states);
  return summary;
}

/** How a window with bounds says which one it is. */
export function describe(window: {
  readonly plan: BoundedPlan;
  readonly startMs: number;
  readonly endMs: number;
}): SummaryWindow {
  const { name, kind } = window.plan.definition;
  if (window.plan.isGlobal) return { name, kind: "global" };
  const type = kind.type === "day" ? "tumbling" : kind.type;
  return { name, kind: type, start: formatInstant(window.startMs), end: formatInstant(window.endMs) };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function partials(fired: Fired): Partials {
  const { cells } = fired;
  const partials: Record<string, FieldPartials> = {};
  for (const { field, plan, index, accumulators, values } of fired.plan.outputs) {
    if (cellOf(cells, plan.at.count!) === 0) continue;
    const state: Record<string, FieldPartials["state"][string]> = {};
    for (const accumulator of accumulators) {
      state[accumulator.name] = accumulator.save(cells, plan.at[accumulator.name]!);
    }
    partials[field.name] = { index, values, state };
  }
  return partials;
}

function upstream({ plan, open }: Fired, states: Partials): SummaryPartials {
  const fields = fieldStates(states);
  const head = { version: PARTIALS_VERSION, definition: plan.digest } as const;
  return open === true ? { ...head, open, fields } : { ...head, fields };
}

function mergeable(fired: Fired, of: string, partials: Partials): Mergeable {
  const { startMs, endMs } = fired;
  const series = `${of}/${fired.plan.meaning}`;
  return { series, startMs, endMs, ladderMs: fired.plan.definition.coarsenMs, partials };
}

/** Consecutive summaries are often those of one device: what their ids begin with is kept. */
let known = { gateway: "", profile: "", name: "", id: "" };

function deviceId({ gateway, plan }: Pick<Firing, "gateway" | "plan">, name: string): string {
  const profile = plan.profile.id;
  if (name !== known.name || profile !== known.profile || gateway !== known.gateway) {
    known = { gateway, profile, name, id: `${gateway}/${profile}/${encodeURIComponent(name)}` };
  }
  return known.id;
}

const { clamped: CLAMPED, flagged: FLAGGED } = VALUE_FATE_CODE;

function results(fired: Fired): Record<string, SummaryField> {
  const { cells } = fired;
  const { outputs, definition } = fired.plan;
  const window = definition.kind.type === "global" ? undefined : fired;
  const accepted = cellOf(cells, ACCEPTED_CELL);
  const fields: Record<string, SummaryField> = {};
  for (const { field, plan, aggregates, units } of outputs) {
    const { at, fatesAt } = plan;
    if (cellOf(cells, at.count!) === 0) continue;
    const result: Record<string, SummaryValue> = {};
    if (units.unit !== undefined) result.unit = units.unit;
    if (units.units !== undefined) result.units = units.units;
    const doubtful = cellOf(cells, fatesAt + CLAMPED) + cellOf(cells, fatesAt + FLAGGED);
    const inputs = { cells, at, field, window, accepted, doubtful };
    for (const aggregate of aggregates) result[aggregate.name] = aggregate.result(inputs);
    fields[field.name] = result;
  }
  return fields;
}

function quality(plan: Plan, cells: Cells): SummaryQuality {
  const accepted = cellOf(cells, ACCEPTED_CELL);
  // Keys come in the order in which they are first set.
  const result: Record<string, number | Record<string, Record<string, number>>> = { received: 0, accepted };
  const fields = fatesByField(plan, cells);
  if (fields !== undefined) result.fields = fields;
  let received = accepted;
  for (let code = 0; code < REJECT_REASONS.length; code++) {
    const count = cellOf(cells, rejectedCell(code));
    if (count === 0) continue;
    result[REJECT_REASONS[code]!] = count;
    received += count;
  }
  result.received = received;
  return result as unknown as SummaryQuality;
}

/** Undefined when nothing was done to any value. */
function fatesByField(plan: Plan, cells: Cells): Record<string, Record<string, number>> | undefined {
  let fields: Record<string, Record<string, number>> | undefined;
  for (const { name, fatesAt } of plan.fields) {
    for (let fate = 0; fate < VALUE_FATES.length; fate++) {
      const count = cellOf(cells, fatesAt + fate);
      if (count === 0) continue;
      fields ??= {};
      fields[name] ??= {};
      fields[name][VALUE_FATES[fate]!] = count;
    }
  }
  return fields;
}
