import { type Cells, newCells } from "../aggregate/cells.js";
import { firstFrom, type Slice, type SliceMemory, type TimeLine } from "./slice.js";

/**
 * What the slices of overlapping windows come to, without merging all of them for each: a window that slides on loses
 * slices in front and gains some behind.
 *
 * The slices are two queues. Of those in front it is known what each and all behind it in that queue come to; of those
 * behind, what all come to. A window is the first of the one and the whole of the other; when the front has run out, the
 * back becomes the front. So a slice is merged twice and copied once, into however many windows it goes (two stacks;
 * K. Tangwongsan, M. Hirzel, S. Schneider, "Low-Latency Sliding-Window Aggregation in Worst-Case Constant Time", DEBS
 * 2017). Since accumulators give the same results whatever the tree of merges, nobody can tell.
 *
 * Nothing of it is stored. It holds for windows that have ended, of whose slices none has changed: `forget` must be
 * called before one does. Only accumulators without an order are merged like this.
 */
export class RunningMerges {
  /** By device, the one that was used last at the end. */
  readonly #queues = new Map<object, (Queue | undefined)[]>();
  #rows = 0;
  readonly #rowsMax: number;
  readonly #cellCount: number;
  readonly #slices: SliceMemory;
  readonly #merge: Merge;
  /** What a window came to, until the next one is asked for. */
  readonly #total: Cells;

  /** @param merge adds everything that there is in cells to others */
  constructor(slices: SliceMemory, merge: Merge) {
    const { cellCount } = slices;
    this.#slices = slices;
    this.#cellCount = cellCount;
    this.#merge = merge;
    this.#rowsMax = Math.floor(BYTES_MAX / (8 * cellCount + ROW_BYTES));
    this.#total = newCells(cellCount);
  }

  /** @returns what a window comes to, to be used before the next call; undefined where its slices are to be merged one by one */
  merged(device: TimeLine, { startMs, endMs, plan }: Running): Cells | undefined {
    const { slices } = device;
    const range = { slices, first: firstFrom(slices, startMs), end: firstFrom(slices, endMs) };
    const count = range.end - range.first;
    if (count < SLICES_MIN || count > this.#rowsMax) return undefined;
    const queues = this.#queuesOf(device);
    let queue = queues[plan.index];
    if (queue === undefined || !goOn(queue, range)) {
      if (queue !== undefined) this.#rows -= queue.front.length;
      queue = { members: [], head: 0, front: [], back: newCells(this.#cellCount), from: 0 };
      queues[plan.index] = queue;
    }
    const { members } = queue;
    const hasRunOut = queue.head >= queue.from;
    for (let i = range.first + members.length - queue.head; i < range.end; i++) {
      const slice = slices[i]!;
      members.push(slice);
      if (!hasRunOut) this.#merge(queue.back, this.#slices.cellsOf(slice));
    }
    if (hasRunOut) this.#turn(queue);
    const total = this.#total;
    this.#copy(total, queue.front[queue.head]!);
    if (queue.from < members.length) plan.merge(total, queue.back);
    return total;
  }

  /** The same as merging into what is empty. */
  #copy(into: Cells, from: Cells): void {
    if (from.extras !== undefined) {
      clear(into);
      this.#merge(into, from);
      return;
    }
    const { numbers, base } = from;
    const copied = into.numbers;
    for (let i = 0; i < copied.length; i++) copied[i] = numbers[base + i]!;
    into.extras = undefined;
  }

  /** A slice of this device is about to change, or all of it leaves memory. */
  forget(device: object): void {
    const queues = this.#queues.get(device);
    if (queues === undefined) return;
    for (const queue of queues) if (queue !== undefined) this.#rows -= queue.front.length;
    this.#queues.delete(device);
  }

  #queuesOf(device: object): (Queue | undefined)[] {
    const known = this.#queues.get(device);
    const queues = known ?? [];
    if (known === undefined || this.#rows > this.#rowsMax) {
      this.#queues.delete(device);
      this.#queues.set(device, queues);
    }
    while (this.#rows > this.#rowsMax && this.#queues.size > 1)
      this.forget(this.#queues.keys().next().value!);
    return queues;
  }

  /** Makes the back the front. */
  #turn(queue: Queue): void {
    const { members, head, front } = queue;
    members.splice(0, head);
    this.#rows += members.length - front.length;
    front.length = Math.min(front.length, members.length);
    for (let i = members.length - 1; i >= 0; i--) {
      const cells = front[i] ?? newCells(this.#cellCount);
      front[i] = cells;
      this.#copy(cells, this.#slices.cellsOf(members[i]!));
      if (i < members.length - 1) this.#merge(cells, front[i + 1]!);
    }
    queue.head = 0;
    queue.from = members.length;
    clear(queue.back);
  }
}

/** With fewer slices the detour is no shorter. */
const SLICES_MIN = 6;
/** What the queues of one profile may take; devices that have waited longest give theirs up. */
const BYTES_MAX = 8 * 2 ** 20;
const ROW_BYTES = 160;

type Merge = (into: Cells, from: Cells) => void;

/** A window, as far as merging it goes. */
interface Running {
  readonly startMs: number;
  readonly endMs: number;
  readonly plan: {
    /** Which of its definitions it is of. */
    readonly index: number;
    /** Adds what it asks for. */
    readonly merge: Merge;
  };
}

/** Those of the slices that are in a window. */
interface Range {
  readonly slices: readonly Slice[];
  readonly first: number;
  readonly end: number;
}

interface Queue {
  /** From `head` on, the slices that the last window had, those from `from` on being the back. */
  readonly members: Slice[];
  head: number;
  from: number;
  /** By place in `members`: what that slice and those behind it, up to `from`, come to. */
  readonly front: Cells[];
  readonly back: Cells;
}

/** Lets go of the slices that are before these. @returns whether what is left begins these */
function goOn(queue: Queue, { slices, first: at, end }: Range): boolean {
  const { members } = queue;
  const first = slices[at]!;
  while (queue.head < members.length && members[queue.head]!.startMs < first.startMs) queue.head++;
  const count = members.length - queue.head;
  return (
    count > 0 &&
    at + count <= end &&
    members[queue.head] === first &&
    slices[at + count - 1] === members[members.length - 1]
  );
}

function clear(cells: Cells): void {
  cells.numbers.fill(0);
  cells.extras = undefined;
}
