import { EarlierWindows } from "../aggregate/earlier-windows.js";
import { type Member, type MergeInto, memberOf, SummaryMerge, sourceName } from "../aggregate/merge.js";
import { type CoarseWindow, coarseWindow } from "../model/coarse-window.js";
import { WeirError } from "../model/errors.js";
import type { Summary } from "../model/summary.js";
import { formatDuration } from "../model/time.js";
import { at, damaged, type MergeLine, refused } from "./merge-input.js";
import { MergeSources } from "./merge-sources.js";

/** What `weir merge` was asked to do. */
export interface MergeRequest {
  readonly by: MergeBy;
  /** Size of the windows that come of it; undefined for the same windows. */
  readonly windowMs: number | undefined;
  /** Whose days and hours longer windows are. */
  readonly zone: string;
  readonly without: ReadonlySet<string>;
}

export const MERGE_BY = ["device", "profile", "all"] as const;
export type MergeBy = (typeof MERGE_BY)[number];

export interface MergeCounts {
  superseded: number;
  retracted: number;
  /** Windows in which nothing was, and that were filled. */
  filled: number;
}

/** One summary, while it is being merged. */
interface Current {
  readonly merge: SummaryMerge;
  readonly first: MergeLine;
  readonly window: Bounds;
}

interface Bounds {
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * One series of summaries that come of merging: those of a device, a profile, or all, by window. It takes what is
 * merged in the order of time and gives out each summary when the next one begins, so that it holds no more than the
 * state of one, and the summaries that begin at one instant.
 */
export class MergeSeries {
  readonly #request: MergeRequest;
  readonly #gateway: string;
  readonly #counts: MergeCounts;
  readonly #emit: (summary: Summary) => void;
  readonly #sources = new MergeSources();
  #current: Current | undefined;
  #earlier: EarlierWindows | undefined;
  /** The first summary of the newest window. */
  #last: MergeLine | undefined;

  constructor(on: {
    readonly request: MergeRequest;
    readonly gateway: string;
    readonly counts: MergeCounts;
    readonly emit: (summary: Summary) => void;
  }) {
    this.#request = on.request;
    this.#gateway = on.gateway;
    this.#counts = on.counts;
    this.#emit = on.emit;
  }

  /** Takes everything that begins at one instant, in any order. @throws WeirError `unmergeable` */
  take(lines: readonly MergeLine[]): void {
    const newest = this.#newest(lines);
    if (newest.length === 0) return;
    const members = newest.map((line) => this.#member(line));
    for (const [i, line] of newest.entries()) this.#sources.add(line, members[i]!);
    const window = this.#window(newest);
    this.#checkDefinitions(newest[0]!, newest);
    if (this.#current !== undefined && !this.#goesOn(newest[0]!, window)) this.finish();
    this.#current ??= this.#begin(newest[0]!, window);
    const { merge, first } = this.#current;
    // Values that were gathered otherwise say nothing about these.
    if (differenceOf(first, this.#last ?? first, this.#request.by) !== undefined) this.#earlier = undefined;
    this.#last = first;
    try {
      merge.add(members);
    } catch (error) {
      throw this.#explained(error, first, newest);
    }
    if (newest[0]!.summary.window.kind === "hopping") this.#states.push(...members);
  }

  /** Of windows that overlap, what the one that is being merged came of. */
  #states: Member[] = [];

  /** Gives out what there is. */
  finish(): void {
    if (this.#current === undefined) return;
    const { merge } = this.#current;
    const merged = merge.finish(this.#earlier);
    this.#emit(merged.summary);
    const overlapping = this.#states.length > 0;
    const states = overlapping ? this.#states : [merged];
    this.#earlier ??= new EarlierWindows({ overlapping });
    this.#earlier.learn(states.map(({ partials }) => partials));
    this.#states = [];
    this.#current = undefined;
  }

  /** The newest revision of each summary; none of what was taken back, and of what had nothing in it. */
  #newest(lines: readonly MergeLine[]): MergeLine[] {
    const byId = new Map<string, MergeLine>();
    for (const line of lines) {
      const { id, revision } = line.summary;
      const known = byId.get(id);
      if (known?.summary.revision === revision && known.text !== line.text) throw contradicts(line, known);
      if (known !== undefined) this.#counts.superseded++;
      if (known === undefined || revision > known.summary.revision) byId.set(id, line);
    }
    return [...byId.values()].filter(({ summary }) => {
      if (summary.retracted === true) this.#counts.retracted++;
      const isEmpty = summary.filled !== undefined && summary.quality.received === 0;
      if (isEmpty) this.#counts.filled++;
      return summary.retracted !== true && !isEmpty;
    });
  }

  #member(line: MergeLine): Member {
    return memberOf(line.summary, line.summary.partials);
  }

  /** The window that they all go into. */
  #window(lines: readonly MergeLine[]): Bounds {
    const [first, ...others] = lines;
    const window = this.#windowOf(first!);
    for (const line of others) {
      if (!isSame(this.#windowOf(line), window)) throw otherBuckets(line, first!);
    }
    const current = this.#current;
    const overlaps = current !== undefined && current.window.endMs > window.startMs;
    if (overlaps && !isSame(window, current.window) && first!.summary.window.kind === "tumbling") {
      throw otherBuckets(first!, current.first);
    }
    return window;
  }

  #windowOf(line: MergeLine): Bounds {
    const bounds = boundsOf(line.summary);
    const { windowMs, zone } = this.#request;
    if (windowMs === undefined) return bounds;
    const window = coarseWindow(zone, windowMs, bounds);
    if (window !== undefined) return window;
    const { name, start, end } = line.summary.window;
    throw refused(
      line,
      `the window ${name} from ${start} to ${end} does not lie in one window of ${formatDuration(windowMs)}`,
      `longer windows begin at midnight of --zone, which is ${zone}; choose a --window that is a multiple of ${name}, and a zone in which one of these begins at midnight`,
    );
  }

  #goesOn(line: MergeLine, window: Bounds): boolean {
    const { first, window: current } = this.#current!;
    return isSame(window, current) && differenceOf(line, first, this.#request.by) === undefined;
  }

  #checkDefinitions(first: MergeLine, lines: readonly MergeLine[]): void {
    for (const line of lines) {
      const difference = differenceOf(line, first, this.#request.by);
      if (difference !== undefined) throw otherVersion(line, first, difference);
    }
  }

  #begin(first: MergeLine, window: Bounds): Current {
    return { first, window, merge: new SummaryMerge(this.#into(window)) };
  }

  #into(window: Bounds): MergeInto {
    const { by, windowMs, without } = this.#request;
    return {
      without,
      devices: by !== "device",
      byName: by === "all",
      gateway: this.#gateway,
      device: by === "device" ? undefined : "*",
      profile: by === "all" ? "*" : undefined,
      window: windowMs === undefined ? undefined : coarse(window, windowMs),
    };
  }

  /** An error of merging, at the line that it comes of where that can be found. */
  #explained(error: unknown, first: MergeLine, lines: readonly MergeLine[]): WeirError {
    for (const line of lines) {
      const pair = new SummaryMerge(this.#into(this.#windowOf(line)));
      try {
        pair.add((line === first ? [line] : [first, line]).map((each) => this.#member(each)));
      } catch (cause) {
        if (!(cause instanceof WeirError)) return damaged(line, cause);
        const other = line === first ? "" : ` (beside ${at(first)})`;
        return refused(line, `${cause.message}${other}`, cause.hint);
      }
    }
    if (!(error instanceof WeirError)) return damaged(lines[0]!, error);
    return refused(lines[0]!, `${lines[0]!.summary.id}: ${error.message}`, error.hint);
  }
}

/** Whole milliseconds since the epoch; of a global window, everything. */
export function boundsOf({ window: { start, end } }: Summary): Bounds {
  return {
    startMs: start === undefined ? Number.NEGATIVE_INFINITY : Date.parse(start),
    endMs: end === undefined ? Number.POSITIVE_INFINITY : Date.parse(end),
  };
}

function coarse({ startMs, endMs }: Bounds, sizeMs: number): CoarseWindow {
  return { sizeMs, startMs, endMs };
}

function isSame(a: Bounds, b: Bounds): boolean {
  return a.startMs === b.startMs && a.endMs === b.endMs;
}

function differenceOf(a: MergeLine, b: MergeLine, by: MergeBy): string | undefined {
  if (by === "all") return undefined;
  const [one, two] = [a.summary, b.summary];
  if (one.profile !== two.profile) return `${one.profile}, and the other one ${two.profile}`;
  if (one.partials.definition === two.partials.definition) return undefined;
  return `another definition of the window ${sourceName(one)} than the other one, though both say ${one.profile}`;
}

function otherVersion(line: MergeLine, other: MergeLine, difference: string): WeirError {
  return refused(
    line,
    `the summary and the one at ${at(other)} cannot be merged: it has ${difference}`,
    "merge the summaries of each version by themselves, and give every definition a version of its own",
  );
}

function otherBuckets(line: MergeLine, other: MergeLine): WeirError {
  const [a, b] = [line.summary.window, other.summary.window];
  return refused(
    line,
    `the window ${a.name} from ${a.start} to ${a.end} and that from ${b.start} to ${b.end} at ${at(other)} overlap without being the same`,
    "merge windows of one size, place and zone; --only and --window choose them",
  );
}

function contradicts(line: MergeLine, other: MergeLine): WeirError {
  return refused(
    line,
    `revision ${line.summary.revision} of ${line.summary.id} says something else at ${at(other)}`,
    "where both were merged before, give each merge a name of its own with --gateway",
  );
}
