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
 * @param all readings of the device; between windows that were merged there may be others, said by themselves
 * @param known whether those that are not in it are those that the gateway has: then the value before is the last of
 *   them, else any of them or none
 * @throws Error when what is said does not follow
 */
export function checkOrdered(of: Ordered, all: readonly Sent[], known: boolean): void {
  const { summary, profile, window } = of;
  const requests = window.aggregates.filter(({ field }) =>
    ORDERED_FIELDS.includes(profile.fields[field]!.name),
  );
  if (requests.length === 0) return;
  const inside = new Set(of.members);
  const members = of.members.map(keyedOf).sort(byTime);
  const others = inOrder(all).filter(({ sent }) => !inside.has(sent));
  const said = new Set(fieldsWithState(summary));
  for (const request of requests) {
    const index = request.field;
    const { name } = profile.fields[index]!;
    const values = members.filter(({ values }) => !isMissing(values[index]!));
    const firstMs = values[0]?.timeMs ?? Number.NEGATIVE_INFINITY;
    const bounds = () => boundsOf({ others, firstMs, index, known });
    const got = JSON.stringify(said.has(name) ? { [name]: summary.fields[name] } : {});
    const only = { ...window, aggregates: [request] };
    const spans = values.length === 0 ? [] : spansOf(of, values, others);
    const fits = (bound: readonly OracleReading[]) =>
      spans.some(
        (span) => got === orderedFieldsOf(profile, only, { earlier: bound, members: values, bounds: span }),
      );
    if (values.length === 0 ? got === "{}" : some(bounds(), fits)) continue;
    const [likely = []] = bounds();
    const points = [...likely, ...values].map(({ timeMs, values: its }) => [timeMs, its[index]]);
    throw new Error(`${summary.id}: ${got} does not follow from ${JSON.stringify(points)}`);
  }
}

/** What may have been the value of a field before its first one in the window, the likely one first. */
function* boundsOf(of: {
  readonly others: readonly Keyed[];
  readonly firstMs: number;
  readonly index: number;
  readonly known: boolean;
}): Generator<readonly Keyed[]> {
  for (let at = of.others.length - 1; at >= 0; at--) {
    const each = of.others[at]!;
    if (each.timeMs > of.firstMs || isMissing(each.values[of.index]!)) continue;
    yield [each];
    if (of.known) return;
  }
  yield [];
}

function some<T>(items: Iterable<T>, fits: (item: T) => boolean): boolean {
  for (const item of items) if (fits(item)) return true;
  return false;
}

/** When the first window in a summary begins: of a coarse one the first part may have been said before. */
export function firstStartMs({ id, window }: Summary): number {
  return Date.parse(/@([^/]+)/.exec(id)?.[1] ?? window.start!);
}

interface Keyed extends OracleReading {
  readonly sent: Sent;
  readonly hash: number;
}

/** Every summary of a device looks at all that it has sent. */
const keyed = new WeakMap<Sent, Keyed>();
const ordered = new WeakMap<readonly Sent[], readonly Keyed[]>();

/** The engine's order: by time, and of one time by the hash. */
function byTime(a: Keyed, b: Keyed): number {
  return a.timeMs - b.timeMs || a.hash - b.hash;
}

/** In the engine's order. @param all a list that only grows */
function inOrder(all: readonly Sent[]): readonly Keyed[] {
  const before = ordered.get(all) ?? [];
  if (before.length === all.length) return before;
  const sorted = [...before, ...all.slice(before.length).map(keyedOf)].sort(byTime);
  ordered.set(all, sorted);
  return sorted;
}

function keyedOf(sent: Sent): Keyed {
  const known = keyed.get(sent);
  if (known !== undefined) return known;
  const { timeMs, values } = sent;
  const made = { device: "", timeMs: timeMs!, values, sent, hash: hashValues(values) };
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
