import type { DeviceCounts } from "../../src/engine/counts.js";
import { REJECT_REASONS } from "../../src/model/reasons.js";
import type { Summary, SummaryQuality } from "../../src/model/summary.js";
import { formatDuration } from "../../src/model/time.js";
import type { WindowKind } from "../../src/model/window.js";
import {
  DEFAULT_DEVICE,
  type ExpectedLine,
  plainValue,
  type TableTimes,
  type WindowCase,
} from "../helpers/window-table.js";

/** What the engine did, in the notation of window tables. */

interface Definition {
  readonly name: string;
  readonly kind: WindowKind;
}

/** Something that it said. */
export interface SaidLine {
  readonly text: string;
  /** The same for a case that names no units in this line. */
  readonly withoutUnits: string;
}

/** `1m 12:00 r0 final x: count=1 sum=1 | received=2 accepted=1 duplicate=1` */
export function summaryLine(summary: Summary, windows: readonly Definition[], times: TableTimes): SaidLine {
  const line = (units: boolean) => lineOf(summary, windows, times, units);
  return { text: line(true), withoutUnits: line(false) };
}

/** What has no units. */
export function plainLine(text: string): SaidLine {
  return { text, withoutUnits: text };
}

function lineOf(summary: Summary, windows: readonly Definition[], times: TableTimes, units: boolean): string {
  const { window, device, revision, final, fields, quality } = summary;
  const parts = [window.name];
  if (window.start !== undefined) parts.push(spanOf(summary, windows, times));
  if (window.state !== undefined) parts.push(`state=${plainValue(window.state)}`);
  const [, nth, part] = /(?:\+(\d+))?(?:\/(\d+))?$/.exec(summary.id)!;
  if (nth !== undefined) parts.push(`nth${nth}`);
  if (part !== undefined) parts.push(`part${part}`);
  if (device !== DEFAULT_DEVICE) parts.push(`@${device}`);
  if (summary.members !== undefined) {
    const { count, of } = summary.members;
    parts.push(`members=${of === undefined ? count : `${count}/${of}`}`);
  }
  parts.push(`r${revision}`);
  if (final) parts.push("final");
  if (summary.retracted) parts.push("retracted");
  if (summary.reconfigured) parts.push("reconfigured");
  if (summary.incomplete) parts.push("incomplete");
  if (summary.filled !== undefined) parts.push(`filled=${summary.filled.join(",")}`);
  const bodies = Object.entries(fields).map(([name, { unit, units: others, ...results }]) => {
    const given = {
      ...(unit === undefined ? {} : { unit }),
      ...(others === undefined ? {} : { units: others }),
    };
    return `${name}: ${pairs({ ...(units ? given : {}), ...results }, times)}`;
  });
  parts.push(bodies.length === 0 ? "nothing" : bodies.join("; "));
  const noted = qualityOf(quality, times);
  if (noted !== "") parts.push("|", noted);
  return parts.join(" ");
}

/** Start, and the duration unless the definition says it. */
function spanOf({ window }: Summary, windows: readonly Definition[], times: TableTimes): string {
  const startMs = Date.parse(window.start!);
  const durationMs = Date.parse(window.end!) - startMs;
  const kind = windows.find(({ name }) => name === window.name)?.kind;
  const said = kind !== undefined && "sizeMs" in kind && kind.sizeMs === durationMs;
  return `${times.format(startMs)}${said ? "" : `+${formatDuration(durationMs)}`}`;
}

function pairs(results: Readonly<Record<string, unknown>>, times: TableTimes): string {
  const instant = (name: string, value: unknown) => name.endsWith("Time") && typeof value === "string";
  return Object.entries(results)
    .map(([name, value]) => {
      const text = instant(name, value) ? times.format(Date.parse(value as string)) : plainValue(value);
      return `${name}=${text}`;
    })
    .join(" ");
}

/** Empty when every reading was accepted and kept as it was. */
function qualityOf({ fields, ...counts }: SummaryQuality, times: TableTimes): string {
  if (fields === undefined && counts.received === counts.accepted) return "";
  const fates = Object.entries(fields ?? {}).map(([field, by]) =>
    pairs(Object.fromEntries(Object.entries(by).map(([fate, count]) => [`${field}.${fate}`, count])), times),
  );
  return [pairs(counts, times), ...fates].join(" ");
}

/** `late`, `duplicate x2 @b`: what became of readings between two moments, besides being accepted for all windows. */
export function eventLines(before: readonly DeviceCounts[], after: readonly DeviceCounts[]): string[] {
  return after.flatMap((now) => {
    const old = before.find(({ device }) => device === now.device);
    const gained = (name: string) =>
      (tallies(now)[name] ?? 0) - (old === undefined ? 0 : (tallies(old)[name] ?? 0));
    return [...REJECT_REASONS, "partlyLate", "conflicting"].flatMap((name) => {
      const count = gained(name);
      if (count === 0) return [];
      const parts = [name, ...(count === 1 ? [] : [`x${count}`])];
      return [[...parts, ...(now.device === DEFAULT_DEVICE ? [] : [`@${now.device}`])].join(" ")];
    });
  });
}

function tallies(counts: DeviceCounts): Readonly<Record<string, number>> {
  return { ...counts.rejected, partlyLate: counts.partlyLate, conflicting: counts.conflicting };
}

/** `counts received=3 accepted=2 late=1` */
export function countsLine(device: string, counts: DeviceCounts | undefined): string {
  const parts = ["counts", ...(device === DEFAULT_DEVICE ? [] : [`@${device}`])];
  if (counts === undefined) return [...parts, "received=0", "accepted=0"].join(" ");
  parts.push(`received=${counts.received}`, `accepted=${counts.accepted}`);
  for (const [name, count] of Object.entries(tallies(counts))) if (count > 0) parts.push(`${name}=${count}`);
  return parts.join(" ");
}

/**
 * The case as it is written with what is wrong in it: `-` for what was expected, `+` for what the engine said.
 * @param said by step
 * @returns undefined when everything is as expected
 */
export function deviations(of: WindowCase, said: readonly (readonly SaidLine[])[]): string | undefined {
  let firstLine: number | undefined;
  const lines: string[] = [];
  for (const [index, { line, text, expected }] of of.steps.entries()) {
    const actual = said[index] ?? [];
    lines.push(...text.map((each) => `    ${each}`));
    let same = 0;
    while (same < expected.length && isAs(expected[same]!, actual[same])) same++;
    let sameBehind = 0;
    while (
      sameBehind < Math.min(expected.length, actual.length) - same &&
      isAs(expected.at(-1 - sameBehind)!, actual.at(-1 - sameBehind))
    ) {
      sameBehind++;
    }
    const missing = expected.slice(same, expected.length - sameBehind);
    const extra = actual.slice(same, actual.length - sameBehind);
    if (missing.length + extra.length > 0) firstLine ??= missing[0]?.line ?? line;
    lines.push(...actual.slice(0, same).map(({ text }) => `    > ${text}`));
    lines.push(...missing.map((each) => `  - > ${each.text}   (line ${each.line})`));
    lines.push(...extra.map(({ text }) => `  + > ${text}`));
    lines.push(...actual.slice(actual.length - sameBehind).map(({ text }) => `    > ${text}`));
  }
  if (firstLine === undefined) return undefined;
  return [`${of.file}:${firstLine}: ${of.title}`, ...lines].join("\n");
}

function isAs(expected: ExpectedLine, said: SaidLine | undefined): boolean {
  return expected.text === said?.text || expected.text === said?.withoutUnits;
}
