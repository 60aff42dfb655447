/**
 * The disk as the store needs it: one ordered key-value database in a folder, and a little room kept back. LevelDB in
 * production; the simulator has one that loses, tears, fills up and rots by seed. Both pass one contract suite.
 */
export type Operation =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: string };

/** Keys in the order of their UTF-8 bytes. */
export interface Range {
  readonly gt?: string;
  readonly gte?: string;
  readonly lt?: string;
  readonly limit?: number;
  readonly reverse?: boolean;
}

/** An opened database. After a failed `batch` it can be read, and must be closed and opened before it is written to. */
export interface KeyValues {
  /**
   * Synced when it resolves, all or none of it. When it rejects, it may be there or not.
   * @throws DiskError
   */
  batch(operations: readonly Operation[]): Promise<void>;
  /** @throws DiskError as all of the following */
  get(key: string): Promise<Uint8Array | undefined>;
  /** At once: what was in before the last batch that resolved, or after it. */
  getSync(key: string): Uint8Array | undefined;
  keys(range: Range): Promise<string[]>;
  /** A consistent view of the database at this moment. */
  iterate(range: Range): KeyValueIterator;
  /** Gives back the room of what was deleted from `from` up to before `to`. Reads and writes go on meanwhile. */
  compact(from: string, to: string): Promise<void>;
  close(): Promise<void>;
}

export interface KeyValueIterator {
  /** At most so many of the next entries; none at the end. */
  next(entriesMax: number): Promise<[string, Uint8Array][]>;
  close(): Promise<void>;
}

/** What opening had to pass over: the newest write, as far as can be seen, which may have been cut off in its midst. */
export interface DiskLoss {
  readonly bytes: number;
  readonly reason: string;
}

/** What is taken of the file system, in bytes. */
export interface DiskUsage {
  /** The database with everything in it that is deleted and not compacted yet. */
  readonly databaseBytes: number;
  /** Of these, what only a new opening makes small again: the database's notes about itself. */
  readonly notesBytes: number;
  /** Databases that were set aside, and what they hold. */
  readonly setAside: number;
  readonly setAsideBytes: number;
}

export interface Disk {
  /** Where it is, for messages. */
  readonly path: string;
  /** @throws DiskError */
  open(options: { readonly create: boolean }): Promise<KeyValues>;
  /** What the last `open` had to pass over. */
  losses(): Promise<readonly DiskLoss[]>;
  /**
   * Moves a damaged, closed database out of the way, so that `open` makes a new one. From then on it is the one that
   * was left behind, also for later processes.
   * @returns its new path
   */
  setAside(suffix: string): Promise<string>;
  /** Name of the database that was set aside last, until `forgetLeftBehind`; undefined when there is none. */
  leftBehind(): Promise<string | undefined>;
  /** Opens that one for reading, as far as it can be. @throws DiskError */
  openLeftBehind(): Promise<KeyValues>;
  forgetLeftBehind(): Promise<void>;
  usage(): Promise<DiskUsage>;
  /** Whether the database is still where it was opened: somebody may have removed it. @throws when that cannot be told */
  isThere(): Promise<boolean>;
  /** Resolves when a small file could be written and synced beside the database. @throws DiskError */
  takesWrites(): Promise<void>;
  /**
   * Takes room that can be given up when the disk is full.
   * @param inPart whether some of it is better than nothing
   * @returns whether all of it is there
   */
  reserve(options: { readonly inPart: boolean }): Promise<boolean>;
  giveUpReserve(): Promise<void>;
}

/** full: no room left. damaged: what is there cannot be read. locked: another process has it. failed: all else. */
export type DiskFault = "full" | "damaged" | "locked" | "failed";

export class DiskError extends Error {
  override readonly name = "DiskError";
  readonly fault: DiskFault;

  constructor(fault: DiskFault, message: string, cause: unknown) {
    super(message, { cause });
    this.fault = fault;
  }
}
