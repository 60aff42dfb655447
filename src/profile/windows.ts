import { suits } from "../aggregate/aggregate.js";
import { findAggregate } from "../aggregate/catalog.js";
import { soughtValue } from "../aggregate/duration-in.js";
import type { Counter, FieldType } from "../model/profile.js";
import type { FieldAggregates, FoldedKind, WindowDefinition, WindowKind } from "../model/window.js";
import { boundedKind, fillRule } from "../schema/window.js";
import type { WindowDocument } from "./schema.js";
import { compileFieldCondition, compileState } from "./window-conditions.js";

/**
 * @param fields names and types in the profile's order
 * @param gatewayZone what `zone: gateway` stands for
 */
export function compileWindow(
  window: WindowDocument,
  fields: readonly Shape[],
  gatewayZone: string,
): WindowDefinition {
  const requested = new Map(Object.entries(window.fields));
  const aggregates = fields.flatMap((field, index): FieldAggregates[] => {
    const names = requested.get(field.name) ?? suited(requested.get("*") ?? [], field);
    return names.length === 0 ? [] : [{ field: index, names }];
  });
  return {
    name: window.name,
    kind: kindOf(window, fields, gatewayZone),
    allowedLatenessMs: window.allowedLateness,
    earlyMs: window.early,
    fill: fillRule(window),
    partials: window.partials,
    aggregates,
    coarsenMs: window.coarsen === "never" ? [] : window.coarsen,
  };
}

interface Shape {
  readonly name: string;
  readonly type: FieldType;
  /** Names of an enum's values. */
  readonly values: readonly string[] | undefined;
  /** See `Field.counter`. */
  readonly counter?: Counter | undefined;
}

function foldedKind(
  { session, count, state, sliding }: WindowDocument,
  fields: readonly Shape[],
): FoldedKind | undefined {
  const shapes = fields.map(({ name, type, values }) => ({ name, type, names: values }));
  if (session !== undefined) return { type: "session", gapMs: session.gap, maxMs: session.max };
  if (count !== undefined) return { type: "count", size: count.size, maxAgeMs: count.maxAge };
  if (state !== undefined) return { type: "state", source: state.of, ...compileState(state.of, shapes) };
  if (sliding === undefined) return undefined;
  const { size: sizeMs, emit: source } = sliding;
  return { type: "sliding", sizeMs, source, emit: compileFieldCondition(source, shapes) };
}

/** `*` gives each field what it can have, and no relation to itself. */
function suited(names: readonly string[], field: Shape): readonly string[] {
  return names.filter((name) => {
    const aggregate = findAggregate(name);
    if (aggregate === undefined || !suits(aggregate.fields, field.type)) return false;
    if (aggregate.requires === "counter" && field.counter === undefined) return false;
    const { sought } = aggregate;
    if (sought !== undefined && soughtValue(sought, field.type, field.values) === undefined) return false;
    return aggregate.other !== field.name;
  });
}

function kindOf(window: WindowDocument, fields: readonly Shape[], gatewayZone: string): WindowKind {
  const folded = foldedKind(window, fields);
  if (folded !== undefined) return folded;
  return boundedKind({ ...window, zone: window.zone === "gateway" ? gatewayZone : window.zone });
}
