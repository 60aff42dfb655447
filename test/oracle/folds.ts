import type { EngineProfile } from "../../src/model/profile.js";
import { type FieldValue, isMissing } from "../../src/model/reading.js";
import { type FoldedKind, isFolded } from "../../src/model/window.js";
import { distinctReadings, fieldsOf, type OracleReading } from "./oracle.js";

/** A window as the oracle sees it: its bounds as JSON has them, and the readings in it. */
export interface Found {
  readonly startMs: number;
  readonly endMs: number;
  readonly members: readonly OracleReading[];
}

/**
 * Windows whose bounds follow from the readings, computed from all of them at once.
 * @returns end and fields by `device/window/start`, with `+1` and so on behind where several begin at one time
 */
export function foldedOracle(
  profile: EngineProfile,
  readings: readonly OracleReading[],
): Map<string, string> {
  const bodies = new Map<string, string>();
  const distinct = distinctReadings(profile, readings);
  for (const device of new Set(distinct.map((r) => r.device))) {
    const sorted = distinct.filter((r) => r.device === device).sort((a, b) => a.timeMs - b.timeMs);
    for (const window of profile.windows) {
      if (!isFolded(window.kind)) continue;
      const taken = new Map<number, number>();
      for (const { startMs, endMs, members } of windowsOf(window.kind, sorted)) {
        const nth = taken.get(startMs) ?? 0;
        taken.set(startMs, nth + 1);
        const body = { end: new Date(endMs).toISOString(), fields: fieldsOf(profile, window, members) };
        bodies.set(`${device}/${window.name}/${startMs}${nth === 0 ? "" : `+${nth}`}`, JSON.stringify(body));
      }
    }
  }
  return bodies;
}

export function windowsOf(kind: FoldedKind, sorted: readonly OracleReading[]): Found[] {
  switch (kind.type) {
    case "session":
      return sessions(kind, sorted);
    case "count":
      return counts(kind, sorted);
    case "state":
      return states(kind, sorted);
    case "sliding":
      return sorted
        .filter((r) => kind.emit(r.values))
        .map(({ timeMs }) => ({
          startMs: timeMs - kind.sizeMs,
          endMs: timeMs,
          members: sorted.filter((r) => r.timeMs <= timeMs && r.timeMs > timeMs - kind.sizeMs),
        }));
  }
}

function sessions(kind: FoldedKind & { type: "session" }, sorted: readonly OracleReading[]): Found[] {
  const found: Found[] = [];
  for (let from = 0, to = 0; from < sorted.length; from = to) {
    const startMs = sorted[from]!.timeMs;
    to = from + 1;
    while (to < sorted.length) {
      const { timeMs } = sorted[to]!;
      if (timeMs - sorted[to - 1]!.timeMs >= kind.gapMs || timeMs - startMs >= kind.maxMs) break;
      to++;
    }
    const endMs = Math.min(sorted[to - 1]!.timeMs + kind.gapMs, startMs + kind.maxMs);
    found.push({ startMs, endMs, members: sorted.slice(from, to) });
  }
  return found;
}

function counts(kind: FoldedKind & { type: "count" }, sorted: readonly OracleReading[]): Found[] {
  const found: Found[] = [];
  for (let from = 0, to = 0; from < sorted.length; from = to) {
    const startMs = sorted[from]!.timeMs;
    while (to < sorted.length && to - from < kind.size && sorted[to]!.timeMs - startMs < kind.maxAgeMs) to++;
    const full = to - from === kind.size;
    const lastMs = sorted[to - 1]!.timeMs;
    const aged = Number.isFinite(kind.maxAgeMs) ? startMs + kind.maxAgeMs : lastMs;
    found.push({ startMs, endMs: full ? lastMs : aged, members: sorted.slice(from, to) });
  }
  return found;
}

function states(kind: FoldedKind & { type: "state" }, sorted: readonly OracleReading[]): Found[] {
  const found: Found[] = [];
  let from = 0;
  let state: FieldValue | undefined;
  for (const [i, r] of sorted.entries()) {
    const next = kind.of(r.values);
    if (isMissing(next)) continue;
    if (i > 0 && next !== state) {
      found.push({ startMs: sorted[from]!.timeMs, endMs: r.timeMs, members: sorted.slice(from, i) });
      from = i;
    }
    state = next;
  }
  if (from < sorted.length) {
    const endMs = sorted.at(-1)!.timeMs;
    found.push({ startMs: sorted[from]!.timeMs, endMs, members: sorted.slice(from) });
  }
  return found;
}
