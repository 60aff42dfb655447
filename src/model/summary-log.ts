import type { LogEntry } from "./summary.js";

/** The append-only log of every summary revision: local history and outbox in one. Implemented by the store. */
export interface SummaryLog {
  /** Position of the newest durable entry; 0 when there is none. */
  head(): number;
  /** No entry lies before this position; `head() + 1` when there is none at all. */
  tail(): number;
  /** Number of entries. */
  count(): number;
  /** Whether the log has plenty of room, so that nothing in it has to be merged or dropped soon. */
  roomy(): boolean;
  /**
   * Summaries after `after` and up to `through` that the log gave up before every target had them, or that it has
   * found damaged. Other positions that are missing were merged into a later entry, which loses nothing.
   */
  lost(after: number, through: number): number;
  /** Entries after `after`, in order, until either bound is reached (always at least one if there is one). */
  read(
    after: number,
    bounds: { readonly entriesMax: number; readonly bytesMax: number },
  ): Promise<LogEntry[]>;
  /** Calls back after each commit that appended; returns the way to stop that. */
  onAppend(listener: () => void): () => void;
}

/** How far a target has got in the log. */
export interface Cursor {
  /** The target has confirmed everything up to here, or it is lost to it. */
  readonly confirmed: number;
  /**
   * Nothing beyond was ever handed to the target; what lies between may have reached it. So the log leaves those
   * entries as they are: merged with others, they would count twice at the receiver. At least `confirmed`.
   */
  readonly reserved: number;
}

/** The cursors of all targets, by name. */
export interface Cursors {
  /** Undefined for a target never seen. */
  load(target: string): Promise<Cursor | undefined>;
  /**
   * Durable (synced) when it resolves. The log merges nothing against it from the call on, and what it merged before
   * can be read when it resolves: so save first, then read what is to be sent.
   */
  save(target: string, cursor: Cursor): Promise<void>;
}

/** A place summaries go to. */
export interface Target {
  readonly name: string;
  /** Begins connecting; returns at once, an unreachable upstream is not an error. */
  start(): void;
  stop(): Promise<void>;
  /**
   * Resolves when the upstream has confirmed every entry; one call at a time. Otherwise it rejects, within a bounded
   * time, with a `WeirError`: a retryable one, or, when one of the entries can never be delivered as it is, one that is
   * not. The latter needs proof, such as a limit that is configured or that the upstream itself states: a network that
   * fails, or an account that may not publish, is a matter of waiting.
   */
  deliver(entries: readonly LogEntry[]): Promise<void>;
  /** Calls back whenever the upstream has come (back) into reach, so that nobody waits for a retry in vain. */
  onReady?(listener: () => void): () => void;
  /**
   * Keeps a status of the gateway upstream, with what `details` says: published now, and whenever the upstream has come
   * into reach, as it is then. Absent where there is no place for it.
   */
  publishStatus?(details: () => Readonly<Record<string, unknown>>): void;
  /** Bytes and entries that one `deliver` may carry. */
  readonly batch: { readonly entriesMax: number; readonly bytesMax: number };
  status(): { readonly state: string; readonly detail?: string };
}
