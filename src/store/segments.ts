import type { Cursor } from "../model/summary-log.js";

/**
 * The log, divided by what the targets have of it. For each target an entry is confirmed (it will never be sent
 * again), in doubt (it may have been sent, and will be sent again), or pending (it was never sent). Entries may be
 * merged when every target has them all confirmed or all pending: otherwise a receiver would get the same readings
 * twice, or not at all.
 */
export class Segments {
  readonly #cursors: readonly Cursor[];
  /** Last positions of the segments, rising. */
  readonly #edges: readonly number[];
  /** The segment that was asked for last. */
  #first = 1;
  #last = 0;
  #answer: number | undefined;

  constructor(cursors: readonly Cursor[]) {
    this.#cursors = cursors;
    const edges = new Set(cursors.flatMap(({ confirmed, reserved }) => [confirmed, reserved]));
    this.#edges = [...edges, Number.POSITIVE_INFINITY].sort((a, b) => a - b);
  }

  /** Number of the segment that a position lies in; undefined where it is in doubt for a target. */
  of(position: number): number | undefined {
    if (position >= this.#first && position <= this.#last) return this.#answer;
    const segment = this.#edges.findIndex((edge) => position <= edge);
    this.#first = (this.#edges[segment - 1] ?? 0) + 1;
    this.#last = this.#edges[segment]!;
    const doubtful = this.#cursors.some((c) => c.confirmed < position && position <= c.reserved);
    this.#answer = doubtful ? undefined : segment;
    return this.#answer;
  }

  /** Whether these positions may be merged. */
  together(positions: readonly number[]): boolean {
    const segment = this.of(positions[0]!);
    return segment !== undefined && positions.every((position) => this.of(position) === segment);
  }
}
