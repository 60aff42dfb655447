import type { LogEntry } from "../../src/model/summary.js";
import type { Cursors, SummaryLog } from "../../src/model/summary-log.js";

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

  async read(
    after: number,
    bounds: { readonly entriesMax: number; readonly bytesMax: number },
  ): Promise<LogEntry[]> {
    if (this.readError !== undefined) throw this.readError;
    const taken: LogEntry[] = [];
    let bytes = 0;
    const from = Math.max(0, after + 1 - this.first);
    for (const entry of this.entries.slice(from, from + bounds.entriesMax)) {
      if (this.damaged.has(entry.position)) continue;
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
  readonly saves: number[] = [];
  /** Rejects the next saves with this, until it is taken away. */
  saveError: Error | undefined;
  private readonly positions = new Map<string, number>();

  async load(target: string): Promise<number> {
    return this.positions.get(target) ?? 0;
  }

  async save(target: string, position: number): Promise<void> {
    if (this.saveError !== undefined) throw this.saveError;
    this.positions.set(target, position);
    this.saves.push(position);
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
