import { hashValues } from "../../src/engine/value-hash.js";
import type { EngineProfile } from "../../src/model/profile.js";
import { isMissing } from "../../src/model/reading.js";
import { fieldsWithState, type Summary } from "../../src/model/summary.js";
import type { OracleReading } from "../oracle/oracle.js";
import { orderedFieldsOf } from "../oracle/ordered.js";
import { ORDERED_FIELDS } from "./profiles.js";
import type { Sent } from "./sensor.js";

/**
 * Aggregates of an order, of one summary. The value before the window is not among its readings: what they say must
 * follow with one of those that may have been it, or with none.
 */
export interface Ordered {
  readonly summary: Summary;
  readonly profile: EngineProfile;
  readonly window: EngineProfile["windows"][number];
  readonly members: readonly Sent[];
}

/**
 * @param outside readings that are not in it; between windows that were merged there may be others, said by themselves
 * @param known whether they are those that the gateway has: then it is the last of them, else any of them or none
 * @throws Error when what is said does not follow
 */
export function checkOrdered(of: Ordered, outside: readonly Sent[], known: boolean): void {
  const { summary, profile, window } = of;
  const members = inOrder(of.members);
  const others = inOrder(outside);
  const said = new Set(fieldsWithState(summary));
  for (const request of window.aggregates) {
    const index = request.field;
    const { name } = profile.fields[index]!;
    if (!ORDERED_FIELDS.includes(name)) continue;
    const values = members.filter(({ values }) => !isMissing(values[index]!));
    const firstMs = values[0]?.timeMs ?? Number.NEGATIVE_INFINITY;
    const earlier = others.filter(({ timeMs, values: its }) => timeMs <= firstMs && !isMissing(its[index]!));
    const bounds = known ? [earlier.slice(-1)] : [...earlier.reverse().map((each) => [each]), []];
    const got = JSON.stringify(said.has(name) ? { [name]: summary.fields[name] } : {});
    const only = { ...window, aggregates: [request] };
    const spans = values.length === 0 ? [] : spansOf(of, values, others);
    const fits = (bound: readonly OracleReading[]) =>
      spans.some(
        (span) => got === orderedFieldsOf(profile, only, { earlier: bound, members: values, bounds: span }),
      );
    if (values.length === 0 ? got === "{}" : bounds.some(fits)) continue;
    const points = [...(bounds[0] ?? []), ...values].map(({ timeMs, values: its }) => [timeMs, its[index]]);
    throw new Error(`${summary.id}: ${got} does not follow from ${JSON.stringify(points)}`);
  }
}

/** When the first window in a summary begins: of a coarse one the first part may have been said before. */
export function firstStartMs({ id, window }: Summary): number {
  return Date.parse(/@([^/]+)/.exec(id)?.[1] ?? window.start!);
}

interface Keyed extends OracleReading {
  readonly hash: number;
}

/** Every summary of a device looks at all that it has sent. */
const keyed = new WeakMap<Sent, Keyed>();

/** The engine's order: by time, and of one time by the hash. */
function inOrder(readings: readonly Sent[]): OracleReading[] {
  return readings.map(keyedOf).sort((a, b) => a.timeMs - b.timeMs || a.hash - b.hash);
}

function keyedOf(sent: Sent): Keyed {
  const known = keyed.get(sent);
  if (known !== undefined) return known;
  const { timeMs, values } = sent;
  const made = { device: "", timeMs: timeMs!, values, hash: hashValues(values) };
  keyed.set(sent, made);
  return made;
}

/**
 * From when to when a summary may know of values: nothing is known of the rest of a window that was not over, nor by a
 * coarse one of the time behind a window that was said by itself.
 */
function spansOf(
  { summary, window: { kind } }: Ordered,
  values: readonly OracleReading[],
  others: readonly OracleReading[],
): ({ startMs: number; endMs: number } | undefined)[] {
  const { window, final, reconfigured } = summary;
  if (window.start === undefined) return [undefined];
  const endMs = Date.parse(window.end!);
  const lastMs = values.at(-1)!.timeMs;
  const cuts =
    window.coarsened === undefined || kind.type !== "tumbling"
      ? []
      : others.map(({ timeMs }) => timeMs - ((timeMs - kind.offsetMs) % kind.sizeMs));
  const ends = new Set([
    endMs,
    ...(final && !reconfigured ? [] : [lastMs]),
    ...cuts.filter((cutMs) => lastMs < cutMs && cutMs < endMs),
  ]);
  const starts = new Set([Date.parse(window.start), firstStartMs(summary)]);
  return [...ends].flatMap((end) => [...starts].map((startMs) => ({ startMs, endMs: end })));
}
