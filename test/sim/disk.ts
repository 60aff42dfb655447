import {
  type Disk,
  DiskError,
  type DiskLoss,
  type DiskUsage,
  type KeyValueIterator,
  type KeyValues,
  type Operation,
  type Range,
} from "../../src/store/disk.js";
import type { Dice } from "./dice.js";
import type { Kernel } from "./kernel.js";

/**
 * A disk under one database, as LevelDB behaves on real ones. It outlives the processes that use it.
 *
 * Injected, each by chance: a write that is slow; one that fails and tears the log, so that whatever is written
 * behind it without a reopening is lost at the next opening (as measured on a full ext4); a sync that fails, after
 * which nothing more is written until the database is opened again, and whose batch may be there or not; times in
 * which the disk is full and neither writing nor opening works; a process that dies at any instant between a
 * write and its confirmation; a bit that rots in a stored value.
 */
export interface DiskFaults {
  readonly syncMs: number;
  readonly slow: number;
  readonly slowMs: number;
  readonly tornWrites: number;
  readonly failedSyncs: number;
}

export class SimulatedDisk {
  /** A canary: closing and opening after a failure does nothing, as in an agent that forgets to. */
  static forgivesHolders = false;
  readonly #kernel: Kernel;
  readonly #dice: Dice;
  faults: DiskFaults;
  full = false;
  /** How often anything has failed because it was full. */
  refusals = 0;
  /** Keys of values in which a bit has turned. */
  readonly rotted: string[] = [];
  /** Databases that were set aside. */
  setAside = 0;
  /** The last of them. */
  leftBehind: SimulatedDisk | undefined;
  #entries = new Map<string, Uint8Array>();
  #bytes: number | undefined;
  /** Keys in order; undefined when it has to be sorted again. */
  #keys: string[] | undefined;
  /** What there was before a torn record: all that the next opening finds. */
  #beforeTear: Map<string, Uint8Array> | undefined;
  /** The process that has it open. */
  #holder: OpenedDisk | undefined;

  constructor(kernel: Kernel, dice: Dice, faults: DiskFaults) {
    this.#kernel = kernel;
    this.#dice = dice;
    this.faults = faults;
  }

  /** The disk as one process sees it. */
  mount(): Disk & { die(): void } {
    return new MountedDisk(this, this.#kernel, this.#dice);
  }

  get entries(): ReadonlyMap<string, Uint8Array> {
    return this.#entries;
  }

  get bytes(): number {
    if (this.#bytes === undefined) {
      this.#bytes = 0;
      for (const [key, value] of this.#entries) this.#bytes += key.length + value.length;
    }
    return this.#bytes;
  }

  sortedKeys(): readonly string[] {
    this.#keys ??= [...this.#entries.keys()].sort(inBytes);
    return this.#keys;
  }

  /** What the log holds is what there is: anything behind a torn record is dropped. */
  recoverAndHold(holder: OpenedDisk, sameProcess: boolean): void {
    this.#holder = holder;
    if (sameProcess && SimulatedDisk.forgivesHolders) return;
    if (this.#beforeTear !== undefined) {
      this.#entries = this.#beforeTear;
      this.#keys = undefined;
      this.#bytes = undefined;
    }
    this.#beforeTear = undefined;
  }

  noRoom(): DiskError {
    this.refusals++;
    return new DiskError("full", "no space left on device", undefined);
  }

  get isHeld(): boolean {
    return this.#holder !== undefined;
  }

  isHeldBy(holder: OpenedDisk): boolean {
    return this.#holder === holder;
  }

  release(): void {
    this.#holder = undefined;
  }

  /** A record with a tear in it is at the log's end now. */
  tear(): void {
    this.#beforeTear ??= new Map(this.#entries);
  }

  apply(operations: readonly Operation[]): void {
    this.#bytes = undefined;
    for (const operation of operations) {
      const known = this.#entries.has(operation.key);
      if (operation.type === "put") {
        this.#entries.set(operation.key, operation.value.slice());
        if (!known) this.#insert(operation.key);
      } else if (known) {
        this.#entries.delete(operation.key);
        this.#remove(operation.key);
      }
    }
  }

  #insert(key: string): void {
    const keys = this.#keys;
    if (keys === undefined) return;
    if (keys.length === 0 || inBytes(keys.at(-1)!, key) < 0) keys.push(key);
    else keys.splice(lowerBound(keys, key), 0, key);
  }

  #remove(key: string): void {
    this.#keys?.splice(lowerBound(this.#keys, key), 1);
  }

  /** One bit of one stored value turns. */
  rot(): void {
    const keys = this.sortedKeys();
    if (keys.length === 0) return;
    const key = this.#dice.pick(keys);
    const value = this.#entries.get(key)!.slice();
    value[this.#dice.whole(0, value.length - 1)]! ^= 1 << this.#dice.whole(0, 7);
    this.#entries.set(key, value);
    this.rotted.push(key);
  }

  clear(): void {
    this.leftBehind = new SimulatedDisk(this.#kernel, this.#dice, { ...this.faults });
    this.leftBehind.#entries = this.#entries;
    this.#entries = new Map();
    this.#keys = [];
    this.#bytes = undefined;
    this.#beforeTear = undefined;
    this.setAside++;
  }
}

/** LevelDB orders keys by their UTF-8 bytes. Plain ones need no encoding. */
function inBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (inBytes(keys[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

class MountedDisk implements Disk {
  readonly path = "simulated";
  readonly #disk: SimulatedDisk;
  readonly #kernel: Kernel;
  readonly #dice: Dice;
  #opened = false;
  dead = false;

  constructor(disk: SimulatedDisk, kernel: Kernel, dice: Dice) {
    this.#disk = disk;
    this.#kernel = kernel;
    this.#dice = dice;
  }

  /** Nothing that was asked for is answered any more, and the lock is free. */
  die(): void {
    this.dead = true;
    this.#disk.release();
  }

  /** Resolves after some time on the disk; never for a process that is gone. */
  answer<T>(ms: number, give: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#kernel.after(ms, () => {
        if (this.dead) return;
        try {
          resolve(give());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  open(): Promise<KeyValues> {
    return this.answer(5, () => {
      if (this.#disk.isHeld) throw new DiskError("locked", "another process has it open", undefined);
      if (this.#disk.full) throw this.#disk.noRoom();
      const opened = new OpenedDisk(this.#disk, this, this.#kernel, this.#dice);
      this.#disk.recoverAndHold(opened, this.#opened);
      this.#opened = true;
      return opened;
    });
  }

  async losses(): Promise<readonly DiskLoss[]> {
    return [];
  }

  async setAside(suffix: string): Promise<string> {
    this.#disk.clear();
    return `simulated.${suffix}`;
  }

  async leftBehind(): Promise<string | undefined> {
    return this.#disk.leftBehind === undefined ? undefined : "left behind";
  }

  openLeftBehind(): Promise<KeyValues> {
    return this.answer(5, () => {
      const old = this.#disk.leftBehind!;
      const opened = new OpenedDisk(old, this, this.#kernel, this.#dice);
      old.recoverAndHold(opened, false);
      return opened;
    });
  }

  async forgetLeftBehind(): Promise<void> {
    this.#disk.leftBehind = undefined;
  }

  async usage(): Promise<DiskUsage> {
    return {
      databaseBytes: this.#disk.bytes,
      notesBytes: 0,
      setAside: this.#disk.setAside,
      setAsideBytes: 0,
    };
  }

  async isThere(): Promise<boolean> {
    return true;
  }

  takesWrites(): Promise<void> {
    return this.answer(1, () => {
      if (this.#disk.full) throw this.#disk.noRoom();
    });
  }

  /** There is room for it whenever the disk is not full. */
  reserve(): Promise<boolean> {
    return this.answer(1, () => !this.#disk.full);
  }

  async giveUpReserve(): Promise<void> {}
}

class OpenedDisk implements KeyValues {
  readonly #disk: SimulatedDisk;
  readonly #mount: MountedDisk;
  readonly #kernel: Kernel;
  readonly #dice: Dice;
  /** A failed sync: LevelDB refuses everything until it is opened again. */
  #refusing = false;

  constructor(disk: SimulatedDisk, mount: MountedDisk, kernel: Kernel, dice: Dice) {
    this.#disk = disk;
    this.#mount = mount;
    this.#kernel = kernel;
    this.#dice = dice;
  }

  batch(operations: readonly Operation[]): Promise<void> {
    const { faults } = this.#disk;
    const dice = this.#dice;
    const ms = dice.chance(faults.slow) ? dice.wait(faults.slowMs) : faults.syncMs * (0.5 + dice.next());
    const torn = dice.chance(faults.tornWrites);
    const unsynced = dice.chance(faults.failedSyncs);
    const there = dice.chance(0.5);
    let failure: DiskError | undefined;
    // Durable at some instant before the caller hears of it: a crash in between finds it on the disk.
    this.#kernel.after(ms * dice.next(), () => {
      failure = this.#failure();
      if (this.#mount.dead || failure !== undefined) return;
      if (this.#disk.full) failure = this.#disk.noRoom();
      else if (torn) failure = new DiskError("failed", "input/output error in the log", undefined);
      if (failure !== undefined) this.#disk.tear();
      else if (!unsynced || there) this.#disk.apply(operations);
    });
    return this.#mount.answer(ms, () => {
      failure ??= this.#failure();
      if (failure !== undefined) throw failure;
      if (unsynced) {
        this.#refusing = true;
        throw new DiskError("failed", "input/output error in the sync", undefined);
      }
    });
  }

  #failure(): DiskError | undefined {
    if (!this.#disk.isHeldBy(this)) return new DiskError("failed", "the database is not open", undefined);
    if (this.#refusing) return new DiskError("failed", "an earlier sync failed", undefined);
    return undefined;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#read(() => this.#disk.entries.get(key));
  }

  getSync(key: string): Uint8Array | undefined {
    if (!this.#disk.isHeldBy(this)) throw new DiskError("failed", "the database is not open", undefined);
    return this.#disk.entries.get(key);
  }

  keys(range: Range): Promise<string[]> {
    return this.#read(() => keysIn(this.#disk, range));
  }

  iterate(range: Range): KeyValueIterator {
    let entries: [string, Uint8Array][] | undefined;
    let at = 0;
    return {
      next: (entriesMax) =>
        this.#read(() => {
          entries ??= keysIn(this.#disk, range).map((key) => [key, this.#disk.entries.get(key)!]);
          const some = entries.slice(at, at + entriesMax);
          at += some.length;
          return some;
        }),
      close: async () => {},
    };
  }

  #read<T>(give: () => T): Promise<T> {
    return this.#mount.answer(0.1, () => {
      if (!this.#disk.isHeldBy(this)) throw new DiskError("failed", "the database is not open", undefined);
      return give();
    });
  }

  async compact(): Promise<void> {}

  async close(): Promise<void> {
    if (this.#disk.isHeldBy(this)) this.#disk.release();
  }
}

function keysIn(disk: SimulatedDisk, range: Range): string[] {
  const all = disk.sortedKeys();
  const from =
    range.gte !== undefined
      ? lowerBound(all, range.gte)
      : range.gt !== undefined
        ? lowerBound(all, range.gt) + (all[lowerBound(all, range.gt)] === range.gt ? 1 : 0)
        : 0;
  const to = range.lt === undefined ? all.length : lowerBound(all, range.lt);
  const keys = all.slice(from, to);
  if (range.reverse === true) keys.reverse();
  return range.limit === undefined ? keys : keys.slice(0, range.limit);
}
