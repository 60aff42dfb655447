import type { LogEntry } from "../../src/model/summary.js";
import type { Cursor, Cursors, SummaryLog } from "../../src/model/summary-log.js";

/** A summary log in memory: entries can be appended, given up from the old end, and made unreadable. */
export class MemoryLog implements SummaryLog {
  /** Positions that cannot be read any more; the log passes over them. */
  readonly damaged = new Set<number>();
  /** Rejects the next reads with this, until it is taken away. */
  readError: Error | undefined;
  private entries: LogEntry[] = [];
  private first = 1;
  private readonly listeners = new Set<() => void>();

  head(): number {
    return this.first + this.entries.length - 1;
  }

  tail(): number {
    return this.first;
  }

  count(): number {
    return this.entries.length;
  }

  roomy(): boolean {
    return false;
  }

  /** Everything that is missing is lost: this log merges nothing. */
  lost(after: number, through: number): number {
    let lost = 0;
    for (let position = after + 1; position <= through; position++) {
      if (position < this.first || this.damaged.has(position)) lost++;
    }
    return lost;
  }

  async read(
    after: number,
    bounds: { readonly entriesMax: number; readonly bytesMax: number },
  ): Promise<LogEntry[]> {
    if (this.readError !== undefined) throw this.readError;
    const taken: LogEntry[] = [];
    let bytes = 0;
    for (const entry of this.entries.slice(Math.max(0, after + 1 - this.first))) {
      if (this.damaged.has(entry.position)) continue;
      if (taken.length >= bounds.entriesMax) break;
      bytes += Buffer.byteLength(entry.json);
      if (taken.length > 0 && bytes > bounds.bytesMax) break;
      taken.push(entry);
    }
    return taken;
  }

  onAppend(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** One commit. */
  append(...json: readonly string[]): void {
    for (const text of json) this.entries.push({ position: this.head() + 1, json: text });
    for (const listener of this.listeners) listener();
  }

  /** Gives up everything below `position`. */
  dropBelow(position: number): void {
    this.entries = this.entries.filter((entry) => entry.position >= position);
    this.first = position;
  }

  listening(): number {
    return this.listeners.size;
  }
}

/** Cursors in memory, with every save that succeeded. */
export class MemoryCursors implements Cursors {
  /** Confirmed positions, as they moved. */
  readonly saves: number[] = [];
  /** All that was saved. */
  readonly cursors: Cursor[] = [];
  /** Rejects the next saves with this, until it is taken away. */
  saveError: Error | undefined;
  private readonly positions = new Map<string, Cursor>();

  async load(target: string): Promise<Cursor | undefined> {
    return this.positions.get(target);
  }

  async save(target: string, cursor: Cursor): Promise<void> {
    if (this.saveError !== undefined) throw this.saveError;
    if (cursor.confirmed !== (this.positions.get(target)?.confirmed ?? 0)) this.saves.push(cursor.confirmed);
    this.positions.set(target, cursor);
    this.cursors.push(cursor);
  }
}

/** A summary as small as one can be, with what targets look at. */
export function summaryJson(n: number, device = "boiler-3"): string {
  const start = new Date(Date.parse("2026-01-14T12:00:00Z") + n * 60_000).toISOString();
  return JSON.stringify({
    id: `gw-7/sensor/${device}/1m/${start}`,
    revision: 0,
    final: true,
    gateway: "gw-7",
    device,
    profile: "sensor@1.0.0",
    window: { name: "1m", kind: "tumbling", start, end: start },
    fields: { temperature: { count: n } },
    quality: { received: n, accepted: n },
  });
}
