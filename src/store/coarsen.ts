import { CorruptRecord } from "../model/bytes.js";
import { WeirError } from "../model/errors.js";
import { least } from "../model/extremes.js";
import { LIMITS } from "../model/limits.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import type { MergeSummaries } from "../model/partials.js";
import { formatDuration } from "../model/time.js";
import type { StoredCursors } from "./cursors.js";
import { type Finder, type Group, RevisionFinder, WindowFinder } from "./groups.js";
import { encodeRecord, type LogRecord, readHead, readRecord } from "./log-record.js";
import { Segments } from "./segments.js";
import { entryBytes, type StoredSummaryLog } from "./summary-log.js";

/**
 * Making room in the log without losing a reading: what was not sent yet is brought together.
 *
 * First, revisions that a later one supersedes go: a receiver takes the highest one anyway. Then the summaries of
 * small windows are merged into those of coarser ones, by a ladder (15m, 1h, 1d unless configured): everything to the
 * first rung before anything to the second, the oldest first, and no more than needed. Merging is exact: `fields` says
 * what one window over all the readings would have said (aggregate/merge.ts).
 *
 * - A coarse entry takes the position of the last of its members, so the log stays in order and cursors stay valid.
 * - What was or may have been sent is not touched, and members of one entry are in one segment (segments.ts), so
 *   every target gets every reading once, be it in a fine or in a coarse summary.
 * - Only final summaries that stand for all of their revisions are merged: nothing that is merged can change, and
 *   no earlier revision of it is anywhere else.
 * - A step is one synced batch that takes the members out and puts the coarse entry in: a crash leaves the one or the
 *   other. Cursors are looked at in the moment in which a batch is handed over, behind every save that was begun
 *   before; a forwarder reserves first and reads then. So the two cannot pass each other.
 * - Memory: positions and sizes of at most `coarsenMembersMax` entries, contents of `HELD_BYTES_MAX` and one batch.
 *
 * A coarse entry whose window gets further members before it is sent is merged with them again, and so is a whole
 * rung into the next. Where it has been sent, they make a piece of their own; its id says where it begins.
 */
export interface Coarsening {
  /** Sizes of the coarser windows, for series that have none of their own: rising, each a multiple of the last. */
  readonly ladderMs: readonly number[];
  /** Whose local days the windows are aligned to. */
  readonly zone: string;
  readonly merge: MergeSummaries;
}

const logCoarsened = defineEvent<{
  readonly summaries: number;
  readonly into: number;
  readonly step: string;
  readonly freedBytes: number;
}>(
  "log-coarsened",
  "warn",
  "the summary log is full; the oldest unsent summaries were merged into coarser windows",
);

const BATCH_MEMBERS_MAX = 1_000;
/** Contents that are kept from the look at them to the merge; the others are read again, one by one. */
const HELD_BYTES_MAX = 8_388_608;

/** One group ready to be written. */
interface Piece {
  readonly removed: readonly { readonly position: number; readonly bytes: number }[];
  readonly put: { readonly position: number; readonly value: Uint8Array };
  readonly superseded: number;
  readonly coarsened: number;
}

interface Look {
  readonly ready: readonly Group[];
  readonly againFrom: number;
  /** Whether it went on to the end. */
  readonly ended: boolean;
}

export class Coarsener {
  readonly #log: StoredSummaryLog;
  readonly #cursors: StoredCursors;
  readonly #observer: Observer;
  readonly #coarsening: Coarsening;
  #segments = new Segments([]);
  #cursorsVersion = -1;
  /** By pass: nothing before this position is worth another look while the cursors stay. */
  #from: number[] = [];
  /** Rungs of the longest ladder met. */
  #rungs: number;
  #tally = { summaries: 0, into: 0, sizeMs: 0, freedBytes: 0 };

  constructor(on: {
    readonly log: StoredSummaryLog;
    readonly cursors: StoredCursors;
    readonly observer: Observer;
    readonly coarsening: Coarsening;
  }) {
    this.#log = on.log;
    this.#cursors = on.cursors;
    this.#observer = on.observer;
    this.#coarsening = on.coarsening;
    this.#rungs = on.coarsening.ladderMs.length;
  }

  /** Brings the log down to `goalBytes`, or as near as it can. */
  async coarsen(goalBytes: number): Promise<void> {
    this.#tally = { summaries: 0, into: 0, sizeMs: 0, freedBytes: 0 };
    if (this.#lookAtCursors()) this.#from = [];
    const through = this.#log.head();
    for (const all of [false, true]) {
      for (let pass = 0; pass <= this.#rungs; pass++) await this.#run({ pass, all, goalBytes, through });
    }
    this.#held.clear();
    const { summaries, into, sizeMs, freedBytes } = this.#tally;
    if (into === 0) return;
    this.#observer.emit(logCoarsened, { summaries, into, step: formatDuration(sizeMs), freedBytes });
  }

  /** @returns whether they have changed since the last look */
  #lookAtCursors(): boolean {
    if (this.#cursors.version === this.#cursorsVersion) return false;
    this.#cursorsVersion = this.#cursors.version;
    this.#segments = new Segments(this.#cursors.all());
    return true;
  }

  /** Pass 0 is that of revisions, pass n that of rung n - 1. */
  async #run(on: Run): Promise<void> {
    for (;;) {
      const before = this.#log.bytes;
      if (before <= on.goalBytes) return;
      const from = this.#from[on.pass] ?? 1;
      const { ready, againFrom, ended } = await this.#look(on, from);
      const left = await this.#bringTogether(ready, on.goalBytes);
      this.#from[on.pass] = Math.min(againFrom, left, this.#looked + 1);
      const nothingLeft = ended && left === Number.POSITIVE_INFINITY;
      if (nothingLeft || (this.#log.bytes >= before && this.#from[on.pass]! <= from)) return;
    }
  }

  /** Position of the last entry that was looked at. */
  #looked = 0;
  /** Contents of entries that were looked at, by position. */
  readonly #held = new Map<number, Uint8Array>();

  async #look({ pass, all, goalBytes, through }: Run, from: number): Promise<Look> {
    const finder = this.#finder(pass);
    this.#looked = from - 1;
    this.#held.clear();
    let heldBytes = 0;
    let ended = true;
    for await (const [position, value] of this.#log.records(from - 1)) {
      if (position > through) break;
      this.#looked = position;
      const segment = this.#segments.of(position);
      const head = segment === undefined ? undefined : this.#headOf(position, value);
      if (segment === undefined || head === undefined) continue;
      this.#rungs = Math.max(this.#rungs, head.ladderMs?.length ?? 0);
      const bytes = entryBytes(value);
      if (finder.add({ position, bytes, head, segment }) && heldBytes < HELD_BYTES_MAX) {
        this.#held.set(position, value);
        heldBytes += bytes;
      }
      ended = finder.gain < this.#log.bytes - goalBytes && finder.members < LIMITS.coarsenMembersMax;
      if (!ended) break;
    }
    const found = finder.finish(all);
    return { ...(found.ready.length === 0 && !ended ? finder.finish(true) : found), ended };
  }

  #finder(pass: number): Finder {
    const { ladderMs, zone } = this.#coarsening;
    return pass === 0 ? new RevisionFinder() : new WindowFinder({ rung: pass - 1, ladderMs, zone });
  }

  #headOf(position: number, value: Uint8Array): ReturnType<typeof readHead> {
    try {
      return readHead(value, position);
    } catch (error) {
      if (!(error instanceof CorruptRecord)) throw error;
      this.#log.reportDamage(position, error);
      return undefined;
    }
  }

  /** @returns position of the first member of what was left as it is, because there is room enough */
  async #bringTogether(groups: readonly Group[], goalBytes: number): Promise<number> {
    let next = 0;
    while (next < groups.length) {
      const excess = this.#log.bytes - goalBytes;
      if (excess <= 0) return groups[next]!.positions[0]!;
      const pieces: Piece[] = [];
      let members = 0;
      let freed = 0;
      while (next < groups.length && members < BATCH_MEMBERS_MAX && freed < excess) {
        const piece = await this.#piece(cut(groups[next]!));
        members += groups[next++]!.positions.length;
        if (piece === undefined) continue;
        freed += freedBy(piece);
        pieces.push(piece);
      }
      await this.#write(pieces);
    }
    const long = groups.filter(({ positions }) => positions.length > BATCH_MEMBERS_MAX);
    return least(long.map(({ positions }) => positions[BATCH_MEMBERS_MAX - 1]!));
  }

  /** Undefined when nothing comes of the group. */
  async #piece({ window, positions, bytes }: Group): Promise<Piece | undefined> {
    const values = await Promise.all(
      positions.map((position) => this.#held.get(position) ?? this.#log.record(position)),
    );
    const members = values.flatMap((value, i) => {
      const record = value === undefined ? undefined : this.#intact(positions[i]!, value);
      return record === undefined ? [] : [{ record, position: positions[i]!, bytes: bytes[i]! }];
    });
    if (members.length < 2) return undefined;
    const records = members.map(({ record }) => record);
    const whole = window === undefined ? superseding(records) : this.#merged(records, window);
    if (whole === undefined) return undefined;
    const { position } = members.at(-1)!;
    const put = { position, value: encodeRecord(whole, position) };
    const superseded = window === undefined ? members.length - 1 : 0;
    const fine = records.filter(({ head }) => head!.windows === 1);
    const piece = { removed: members, put, superseded, coarsened: window === undefined ? 0 : fine.length };
    if (freedBy(piece) <= 0) return undefined;
    if (window !== undefined) this.#tally.sizeMs = Math.max(this.#tally.sizeMs, window.sizeMs);
    return piece;
  }

  #intact(position: number, value: Uint8Array): LogRecord | undefined {
    try {
      return readRecord(value, position);
    } catch (error) {
      if (!(error instanceof CorruptRecord)) throw error;
      this.#log.reportDamage(position, error);
      return undefined;
    }
  }

  #merged(records: readonly LogRecord[], window: NonNullable<Group["window"]>): LogRecord | undefined {
    const members = records.map(({ json, partials, head }) => ({
      json,
      partials,
      firstMs: head!.firstMs,
      windows: head!.windows,
    }));
    try {
      const { json, partials, firstMs, windows } = this.#coarsening.merge(members, window);
      const { startMs, endMs } = window;
      const head = { ...records.at(-1)!.head!, startMs, endMs, firstMs, windows, revision: 0, base: 0 };
      return { head, json, partials };
    } catch (error) {
      // Different series under one hash: they stay as they are.
      if (error instanceof WeirError && error.code === "unmergeable") return undefined;
      throw error;
    }
  }

  /** Between the look at the cursors and handing the batch over nothing can come. */
  async #write(pieces: readonly Piece[]): Promise<void> {
    this.#lookAtCursors();
    const safe = pieces.filter(({ removed }) =>
      this.#segments.together(removed.map(({ position }) => position)),
    );
    if (safe.length === 0) return;
    const sum = (of: (piece: Piece) => number) => safe.reduce((total, piece) => total + of(piece), 0);
    const written = this.#log.rewrite({
      removed: safe.flatMap(({ removed }) => removed),
      put: safe.map(({ put }) => put),
      superseded: sum(({ superseded }) => superseded),
      coarsened: sum(({ coarsened }) => coarsened),
    });
    const merged = safe.filter(({ superseded }) => superseded === 0);
    this.#tally.summaries += merged.reduce((total, { removed }) => total + removed.length, 0);
    this.#tally.into += merged.length;
    this.#tally.freedBytes += merged.reduce((total, piece) => total + freedBy(piece), 0);
    await written;
  }
}

interface Run {
  readonly pass: number;
  /** Also windows to which more may come. */
  readonly all: boolean;
  readonly goalBytes: number;
  /** Entries behind this position are too new. */
  readonly through: number;
}

/** As much of a group as is merged at once; the rest is merged with what comes of that. */
function cut({ window, positions, bytes }: Group): Group {
  return {
    window,
    positions: positions.slice(0, BATCH_MEMBERS_MAX),
    bytes: bytes.slice(0, BATCH_MEMBERS_MAX),
  };
}

function freedBy({ removed, put }: Piece): number {
  return removed.reduce((sum, { bytes }) => sum + bytes, 0) - entryBytes(put.value);
}

/** The last revision, standing for all of them; undefined when they are not of one window. */
function superseding(revisions: readonly LogRecord[]): LogRecord | undefined {
  const last = revisions.at(-1)!;
  const id = idOf(last);
  if (revisions.some((revision) => idOf(revision) !== id)) return undefined;
  return { ...last, head: { ...last.head!, base: revisions[0]!.head!.base } };
}

function idOf({ json }: LogRecord): string {
  return json.slice(0, json.indexOf(',"revision":'));
}
