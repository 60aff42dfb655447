import type { LogEntry } from "./summary.js";

/** The append-only log of every summary revision: local history and outbox in one. Implemented by the store. */
export interface SummaryLog {
  /** Position of the newest durable entry; 0 when there is none. */
  head(): number;
  /** Position of the oldest entry still kept; `head() + 1` when there is none. */
  tail(): number;
  /** Entries after `after`, in order, until either bound is reached (always at least one if there is one). */
  read(
    after: number,
    bounds: { readonly entriesMax: number; readonly bytesMax: number },
  ): Promise<LogEntry[]>;
  /** Calls back after each commit that appended; returns the way to stop that. */
  onAppend(listener: () => void): () => void;
}

/** How far each target has confirmed the log. */
export interface Cursors {
  /** Last confirmed position; 0 for a target never seen. */
  load(target: string): Promise<number>;
  /** Durable (synced) when it resolves. */
  save(target: string, position: number): Promise<void>;
}

/** A place summaries go to. */
export interface Target {
  readonly name: string;
  /** Begins connecting; returns at once, an unreachable upstream is not an error. */
  start(): void;
  stop(): Promise<void>;
  /**
   * Resolves when the upstream has confirmed every entry; one call at a time. Otherwise it rejects, within a bounded
   * time, with a `WeirError`: a retryable one, or, when one of the entries can never be delivered as it is (not when
   * only the upstream or its settings stand in the way), one that is not.
   */
  deliver(entries: readonly LogEntry[]): Promise<void>;
  /** Calls back whenever the upstream has come (back) into reach, so that nobody waits for a retry in vain. */
  onReady?(listener: () => void): () => void;
  /** Bytes and entries that one `deliver` may carry. */
  readonly batch: { readonly entriesMax: number; readonly bytesMax: number };
  status(): { readonly state: string; readonly detail?: string };
}
