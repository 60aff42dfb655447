import type { AgentStatus } from "../agent/status.js";
import type { RejectReason } from "../model/reasons.js";
import type { Summary } from "../model/summary.js";
import { formatInstant } from "../model/time.js";
import { formatNumber, formatUnit } from "./words.js";

/** One device as far as it is known. */
export interface Row {
  readonly device: string;
  readonly profile: string;
  /** Of the newest window that has come in upstream. */
  readonly latest: Summary | undefined;
  /** What the agent has counted. */
  readonly counts: Counts | undefined;
}

/** `received = accepted + Σ rejected`. */
export interface Counts {
  readonly received: number;
  readonly accepted: number;
  readonly rejected: Readonly<Partial<Record<RejectReason, number>>>;
  readonly lastTimeMs?: number | undefined;
}

export interface Note {
  readonly atMs: number;
  readonly who: string;
  readonly text: string;
}

/** Windows of one device that a revision may still come for, and some. */
const WINDOWS_KEPT = 8;
const NOTES_KEPT = 20;

/** What the person who watches is to know, brought up to date by what comes in upstream and what the agent says. */
export class View {
  readonly #rows = new Map<string, Row>();
  /** The newest revision of the last few windows, by device and then by id. */
  readonly #windows = new Map<string, Map<string, Summary>>();
  readonly #notes: Note[] = [];
  #totals: Counts = { received: 0, accepted: 0, rejected: {} };
  #summaries = 0;
  #revised = 0;

  /** A row for a device that has not said anything yet. */
  expect({ device, profile }: { readonly device: string; readonly profile: string }): void {
    this.#change(profile, device, {});
  }

  get rows(): readonly Row[] {
    return [...this.#rows.values()];
  }

  get totals(): Counts {
    return this.#totals;
  }

  /** Summaries that have come in upstream, every revision of them. */
  get summaries(): number {
    return this.#summaries;
  }

  /** Windows that late readings have changed after their first firing. */
  get revised(): number {
    return this.#revised;
  }

  /** Oldest first. */
  get notes(): readonly Note[] {
    return this.#notes;
  }

  note(note: Note): void {
    this.#notes.push(note);
    if (this.#notes.length > NOTES_KEPT) this.#notes.shift();
  }

  /** @returns what to say about it when late readings have changed the window */
  takeSummary(summary: Summary): string | undefined {
    this.#summaries++;
    const profile = summary.profile.split("@")[0]!;
    const row = this.#rows.get(keyOf(profile, summary.device));
    if (row?.latest === undefined || startOf(summary) >= startOf(row.latest)) {
      this.#change(profile, summary.device, { latest: summary });
    }
    const before = this.#remember(keyOf(profile, summary.device), summary);
    if (before === undefined || JSON.stringify(before.fields) === JSON.stringify(summary.fields)) return;
    this.#revised++;
    return describeRevision(before, summary);
  }

  takeStatus(status: Pick<AgentStatus, "received" | "accepted" | "rejected" | "byDevice">): void {
    this.#totals = status;
    for (const counts of status.byDevice) this.#change(counts.profile, counts.device, { counts });
  }

  #change(profile: string, device: string, change: Partial<Row>): void {
    const key = keyOf(profile, device);
    const row = this.#rows.get(key) ?? { device, profile, latest: undefined, counts: undefined };
    this.#rows.set(key, { ...row, ...change });
  }

  /** @returns the revision before */
  #remember(key: string, summary: Summary): Summary | undefined {
    const windows = this.#windows.get(key) ?? new Map<string, Summary>();
    this.#windows.set(key, windows);
    const before = windows.get(summary.id);
    windows.set(summary.id, summary);
    const oldest = windows.keys().next().value;
    if (windows.size > WINDOWS_KEPT && oldest !== undefined) windows.delete(oldest);
    return before;
  }
}

function keyOf(profile: string, device: string): string {
  return `${profile}/${device}`;
}

function startOf({ window }: Summary): string {
  return window.start ?? "";
}

/** The first field whose count has changed says it best. */
function describeRevision(before: Summary, after: Summary): string {
  const window = formatClock(Date.parse(startOf(after)));
  for (const [name, field] of Object.entries(after.fields)) {
    const old = before.fields[name];
    if (old?.count === field.count || typeof field.count !== "number") continue;
    const mean = (value: typeof field | undefined) =>
      typeof value?.mean === "number" ? formatNumber(value.mean) : "nothing";
    return `window ${window} revised: ${name} ${mean(old)} → ${mean(field)}${formatUnit(field.unit)}, ${old?.count ?? 0} → ${field.count} readings`;
  }
  return `window ${window} revised`;
}

/** Time of day, UTC. */
export function formatClock(ms: number): string {
  return formatInstant(Math.floor(ms / 1_000) * 1_000).slice(11, 19);
}
