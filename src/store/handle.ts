import { messageOf, WeirError } from "../model/errors.js";
import { type Disk, DiskError, type KeyValues, type Operation } from "./disk.js";

/**
 * The open database on a disk that fails now and then.
 *
 * What has failed to write is never written to again, because LevelDB goes on appending behind a torn record and
 * loses what comes after it. It can still be read, and a full or read-only disk may not let it be opened again; so
 * it stays open, and the summary log stays readable, until the folder takes writes. Then it is closed and opened.
 * Every so often it is closed and opened all the same: what fills the disk may be the leftovers of a failed
 * compaction, which only opening removes.
 *
 * After a full disk there must be room for the whole reserve before anything else is written. The reserve is what
 * opening needs, and commits must not use it up: an agent that is restarted on a full disk can then still open its
 * store, and forward what is in there.
 */
/** What of a disk is needed here. */
export type Openable = Pick<Disk, "open" | "takesWrites" | "reserve" | "giveUpReserve">;

export class Handle {
  readonly #disk: Openable;
  /** Undefined for as long as it cannot be opened. */
  #db: KeyValues | undefined;
  #broken = false;
  #full = false;

  private constructor(disk: Openable) {
    this.#disk = disk;
  }

  /** @throws DiskError */
  static async open(disk: Openable, options: { readonly create: boolean }): Promise<Handle> {
    const handle = new Handle(disk);
    await handle.#open(options);
    if (!handle.#full) await disk.reserve({ inPart: false });
    return handle;
  }

  /** For looking at what is there: takes no reserve. @throws DiskError */
  static async inspect(disk: Openable): Promise<Handle> {
    const handle = new Handle(disk);
    handle.#db = await disk.open({ create: false });
    return handle;
  }

  /** For reading. */
  get db(): KeyValues | undefined {
    return this.#db;
  }

  /**
   * Writes a batch, mending first what there is to mend.
   * @param failures how often this batch has failed already
   * @throws DiskError when it is worth trying again
   * @throws WeirError `store-damaged`
   */
  async write(operations: readonly Operation[], failures: number): Promise<void> {
    try {
      const db = await this.#ready(failures);
      await db.batch(operations).catch((error: unknown) => {
        this.#broken = true;
        throw error;
      });
    } catch (error) {
      this.#full ||= isFull(error);
      throw isDamage(error) ? damaged(error) : error;
    }
    this.#full = false;
  }

  async #ready(failures: number): Promise<KeyValues> {
    const inAnyCase = failures > 0 && failures % REOPEN_EVERY === 0;
    if (this.#broken && !inAnyCase && this.#db !== undefined) await this.#disk.takesWrites();
    if (this.#broken || inAnyCase || this.#db === undefined) await this.renew();
    if (this.#full && !(await this.#disk.reserve({ inPart: true }))) {
      throw new DiskError("full", "no space left on device: there is no room for the reserve", undefined);
    }
    return this.#db!;
  }

  /** Closes and opens again. @throws DiskError, WeirError `store-damaged` */
  async renew(): Promise<void> {
    await this.close().catch(() => undefined);
    try {
      await this.#open({ create: false });
    } catch (error) {
      throw isDamage(error) ? damaged(error) : error;
    }
  }

  /** Gives up the reserve if there is no other way, and takes back what it can of it. */
  async #open(options: { readonly create: boolean }): Promise<void> {
    const disk = this.#disk;
    try {
      this.#db = await disk.open(options);
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#full = true;
      await disk.giveUpReserve();
      try {
        this.#db = await disk.open(options);
      } finally {
        await disk.reserve({ inPart: true });
      }
    }
    this.#broken = false;
  }

  async close(): Promise<void> {
    const db = this.#db;
    this.#db = undefined;
    await db?.close();
  }
}

/** Failures between two openings of a database that still can be read. */
const REOPEN_EVERY = 8;

function isDamage(error: unknown): boolean {
  return error instanceof DiskError && error.fault === "damaged";
}

/** Trying again does not help, and only a start can set it aside: what is in memory goes with what was in there. */
function damaged(error: unknown): WeirError {
  return new WeirError("store-damaged", `the store is damaged: ${messageOf(error)}`, { cause: error });
}

function isFull(error: unknown): boolean {
  return error instanceof DiskError && error.fault === "full";
}
