import { type CoarseWindow, coarseWindow } from "../model/coarse-window.js";
import { greatest, least } from "../model/extremes.js";
import type { LogHead } from "./log-record.js";

/**
 * What in the log can be brought together: found by going over the heads of the entries in order, so that no more
 * is held than the positions and sizes of the members.
 */
export interface Group {
  /** What the members become; undefined for revisions that the last of them supersedes. */
  window: CoarseWindow | undefined;
  readonly positions: number[];
  readonly bytes: number[];
}

export interface Finder {
  /** Takes the entries in the order of their positions. @returns whether it may become a member of a group */
  add(entry: {
    readonly position: number;
    readonly bytes: number;
    readonly head: LogHead;
    readonly segment: number;
  }): boolean;
  /** Bytes that bringing together what was found so far would free, about. */
  readonly gain: number;
  /** Members found so far. */
  readonly members: number;
  /**
   * @param all also groups to which more entries may come
   * @returns what can be brought together, the oldest first, and where to look again for what cannot yet
   */
  finish(all: boolean): { readonly ready: readonly Group[]; readonly againFrom: number };
}

function newGroup(window: CoarseWindow | undefined): Group {
  return { window, positions: [], bytes: [] };
}

function append(group: Group, position: number, bytes: number): void {
  group.positions.push(position);
  group.bytes.push(bytes);
}

function byFirst(a: Group, b: Group): number {
  return a.positions[0]! - b.positions[0]!;
}

/** Revisions of one window that follow one another: the last of them can stand for all, and nothing is lost. */
export class RevisionFinder implements Finder {
  gain = 0;
  members = 0;
  readonly #found: Group[] = [];
  readonly #open = new Map<string, { readonly group: Group; revision: number }>();
  #segment = -1;

  add({ position, bytes, head, segment }: Parameters<Finder["add"]>[0]): boolean {
    if (segment !== this.#segment) this.#close();
    this.#segment = segment;
    const key = `${head.series}/${head.startMs}/${head.windows}`;
    const known = this.#open.get(key);
    if (known !== undefined && known.revision + 1 === head.base) {
      this.gain += known.group.bytes.at(-1)!;
      known.revision = head.revision;
      append(known.group, position, bytes);
      this.members++;
      if (!head.final) return true;
      this.#found.push(known.group);
      this.#open.delete(key);
      return true;
    }
    if (!head.final) {
      if (known !== undefined) this.#found.push(known.group);
      const group = newGroup(undefined);
      append(group, position, bytes);
      this.members++;
      this.#open.set(key, { group, revision: head.revision });
    }
    return !head.final;
  }

  /** Whatever is open stays as it is: what comes lies in another segment. */
  #close(): void {
    for (const { group } of this.#open.values()) this.#found.push(group);
    this.#open.clear();
  }

  finish(): ReturnType<Finder["finish"]> {
    const open = [...this.#open.values()].map(({ group }) => group);
    const ready = [...this.#found, ...open].filter(({ positions }) => positions.length > 1);
    return { ready: ready.sort(byFirst), againFrom: least(open.map(({ positions }) => positions[0]!)) };
  }
}

/**
 * Final summaries of one series that lie in one coarser window. A group is complete when its series has gone on to
 * a later window, or when, since its last member, any series has begun and finished a whole window of that size: a
 * device that has fallen silent is waited for no longer than that. What comes later makes a piece of its own.
 *
 * So does what comes behind a window of which a revision was sent before: that window is said by itself, and a coarse
 * one over both its sides would count its time and its changes once more. What is before it ends where it begins.
 * Windows of a series become final in their order.
 */
export class WindowFinder implements Finder {
  gain = 0;
  members = 0;
  readonly #rung: number;
  readonly #ladderMs: readonly number[];
  readonly #zone: string;
  readonly #complete: Group[] = [];
  readonly #open: Group[] = [];
  readonly #current = new Map<number, Group>();
  #segment = -1;
  /** The latest beginning of a group that was finished. */
  #finishedFirst = 0;

  /** @param on `ladderMs` is that of series without one of their own */
  constructor(on: { readonly rung: number; readonly ladderMs: readonly number[]; readonly zone: string }) {
    this.#rung = on.rung;
    this.#ladderMs = on.ladderMs;
    this.#zone = on.zone;
  }

  add({ position, bytes, head, segment }: Parameters<Finder["add"]>[0]): boolean {
    if (!head.final) return false;
    if (head.base > 0) {
      this.#end(head);
      return false;
    }
    const sizeMs = (head.ladderMs ?? this.#ladderMs)[this.#rung];
    const window = sizeMs === undefined ? undefined : coarseWindow(this.#zone, sizeMs, head);
    if (window === undefined) return false;
    // A window of that size is nothing to merge, unless it was merged when it was not complete.
    if (head.windows === 1 && sameWindow(head, window)) return false;
    if (segment !== this.#segment) this.#leaveSegment(segment);
    let group = this.#current.get(head.series);
    if (group === undefined || !sameWindow(group.window!, window)) {
      if (group !== undefined) this.#finish(group);
      group = newGroup(window);
      this.#current.set(head.series, group);
    }
    append(group, position, bytes);
    this.members++;
    return true;
  }

  #leaveSegment(segment: number): void {
    for (const group of this.#current.values()) this.#open.push(group);
    this.#current.clear();
    this.#segment = segment;
  }

  /** Other than `#finish` it says nothing of other series: the coarse window is not over. */
  #end({ series, startMs }: LogHead): void {
    const group = this.#current.get(series);
    if (group === undefined) return;
    this.#current.delete(series);
    if (startMs < group.window!.endMs) group.window = { ...group.window!, untilMs: startMs };
    this.#keep(group);
  }

  #finish(group: Group): void {
    this.#finishedFirst = Math.max(this.#finishedFirst, group.positions[0]!);
    this.#keep(group);
  }

  #keep(group: Group): void {
    if (group.positions.length < 2) return;
    this.#complete.push(group);
    this.gain += group.bytes.reduce((sum, bytes) => sum + bytes, 0) - greatest(group.bytes);
  }

  finish(all: boolean): ReturnType<Finder["finish"]> {
    this.#leaveSegment(-1);
    const isComplete = (group: Group) => group.positions.at(-1)! < this.#finishedFirst;
    const ready = [...this.#complete, ...this.#open.filter((group) => all || isComplete(group))];
    const waiting = this.#open.filter((group) => !isComplete(group));
    return {
      ready: ready.filter(({ positions }) => positions.length > 1).sort(byFirst),
      againFrom: least(waiting.map(({ positions }) => positions[0]!)),
    };
  }
}

type Bounds = Pick<CoarseWindow, "startMs" | "endMs">;

function sameWindow(a: Bounds, b: Bounds): boolean {
  return a.startMs === b.startMs && a.endMs === b.endMs;
}
