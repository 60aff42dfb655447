import { REJECT_REASONS, VALUE_FATES } from "../model/reasons.js";
import type { SummaryQuality } from "../model/summary.js";

/**
 * How the readings of several windows fared, added up; in one order, whatever the order of the windows: reasons as the
 * engine lists them, fields by their place in the profile as far as it is known, then by name.
 */
export function mergeQuality(
  all: readonly SummaryQuality[],
  places: ReadonlyMap<string, number>,
): SummaryQuality {
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
  const place = (name: string) => places.get(name) ?? Number.POSITIVE_INFINITY;
  const names = Object.keys(fields).sort(
    (a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)) || (a < b ? -1 : 1),
  );
  const inOrder = names.map((name) => [name, ordered(fields[name]!, VALUE_FATES)] as const);
  const some = names.length > 0 ? { fields: Object.fromEntries(inOrder) } : {};
  return { received, accepted, ...some, ...ordered(rejected, REJECT_REASONS) };
}

function add(into: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) into[name] = (into[name] ?? 0) + count;
}

/** What is not known comes last, by name. */
function ordered(counts: Readonly<Record<string, number>>, known: readonly string[]): Record<string, number> {
  const rest = Object.keys(counts).filter((name) => !known.includes(name));
  const names = [...known.filter((name) => counts[name] !== undefined), ...rest.sort()];
  return Object.fromEntries(names.map((name) => [name, counts[name]!]));
}
