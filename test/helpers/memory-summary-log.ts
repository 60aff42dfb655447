import type { LogEntry } from "../../src/model/summary.js";
import type { SummaryLog } from "../../src/model/summary-log.js";

/** A summary log in memory. */
export class MemorySummaryLog implements SummaryLog {
  readonly entries: LogEntry[] = [];
  /** Times `read` was called. */
  reads = 0;
  private readonly listeners = new Set<() => void>();

  head(): number {
    return this.entries.at(-1)?.position ?? 0;
  }

  tail(): number {
    return this.entries[0]?.position ?? this.head() + 1;
  }

  read(
    after: number,
    bounds: { readonly entriesMax: number; readonly bytesMax: number },
  ): Promise<LogEntry[]> {
    this.reads++;
    const batch: LogEntry[] = [];
    let bytes = 0;
    for (const entry of this.entries) {
      if (entry.position <= after) continue;
      bytes += Buffer.byteLength(entry.json);
      if (batch.length > 0 && (batch.length >= bounds.entriesMax || bytes > bounds.bytesMax)) break;
      batch.push(entry);
    }
    return Promise.resolve(batch);
  }

  onAppend(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  append(...documents: readonly string[]): void {
    for (const json of documents) this.entries.push({ position: this.head() + 1, json });
    for (const listener of [...this.listeners]) listener();
  }

  listening(): number {
    return this.listeners.size;
  }
}
