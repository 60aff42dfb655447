import { LIMITS } from "../model/limits.js";

/**
 * What a device remembers to recognise a reading that comes again without an event time of its own to tell:
 * duplicate keys with a time to live, and the identities of the MQTT packets that carried its readings.
 * Both are bounded; both are part of the device's durable state.
 */

/**
 * Keys by arrival time of their first sighting. The order of arrival decides: a key is not an event time. A key from
 * the future is one of before the clock was set back, and as old as one from as far in the past.
 */
export class KeyMemory {
  /** In order of first sighting, so that the expired ones are in front. */
  readonly firstSeen = new Map<string, number>();
  /** Keys forgotten before their time because there were too many. */
  forgotten = 0;

  /** Whether the key was first seen at most `ttlMs` before; if not, this is its first sighting. */
  seen(key: string, arrivalMs: number, ttlMs: number): boolean {
    const first = this.firstSeen.get(key);
    if (first !== undefined && Math.abs(arrivalMs - first) <= ttlMs) return true;
    for (const [oldest, at] of this.firstSeen) {
      if (Math.abs(arrivalMs - at) <= ttlMs) break;
      this.firstSeen.delete(oldest);
    }
    this.firstSeen.delete(key);
    if (this.firstSeen.size >= LIMITS.duplicateKeysPerDeviceMax) {
      this.firstSeen.delete(this.firstSeen.keys().next().value!);
      this.forgotten++;
    }
    this.firstSeen.set(key, arrivalMs);
    return false;
  }
}

/**
 * The packets of a device that may come again. A sender may repeat a packet that was committed but whose
 * acknowledgement it did not get (MQTT 3.1.1, section 4.4); it then sets DUP, and only then is the memory asked, since
 * packet identifiers are used again in time.
 *
 * How many a sender may repeat is its own choice, up to all 65,535 packet identifiers: a broker that sends without a
 * window, to an agent that dies before the acknowledgements are read, repeats everything of that connection. So
 * everything of the last minute is kept, and of what is older the last thousand, for devices that were away.
 */
export class DeliveryMemory {
  /** Oldest first; the ones before `#head` are forgotten. */
  #identities: number[] = [];
  #head = 0;
  /** How many were forgotten, so that entry `i` has the number `#forgotten + i - #head`. */
  #forgotten = 0;
  /** Numbers of entries with the processing time at which they came, a few per minute. */
  #marks: DeliveryMark[] = [];
  /** Number of the last entry by identity; there only while somebody repeats. */
  #index: Map<number, number> | undefined;
  #asked = 0;

  get size(): number {
    return this.#identities.length - this.#head;
  }

  /**
   * @param identity as in `ReadingGroup.deliveries`, not 0
   * @param processingMs as in `Block`
   */
  seen(identity: number, processingMs: number): boolean {
    const plain = Math.abs(identity);
    if (identity < 0 && this.#has(plain)) return true;
    this.#forget(processingMs);
    const number = this.#forgotten + this.size;
    const last = this.#marks.at(-1);
    if (last === undefined || processingMs - last.processingMs >= MARK_EVERY_MS) {
      this.#marks.push({ number, processingMs });
    }
    this.#identities.push(plain);
    if (this.#index === undefined) return false;
    if (number - this.#asked > LIMITS.deliveriesPerDeviceKept) this.#index = undefined;
    else this.#index.set(plain, number);
    return false;
  }

  #has(plain: number): boolean {
    this.#asked = this.#forgotten + this.size;
    if (this.#index === undefined) {
      this.#index = new Map();
      for (let i = this.#head; i < this.#identities.length; i++) {
        this.#index.set(this.#identities[i]!, this.#forgotten + i - this.#head);
      }
    }
    const number = this.#index.get(plain);
    return number !== undefined && number >= this.#forgotten;
  }

  /** Makes room for one more. */
  #forget(processingMs: number): void {
    const marks = this.#marks;
    const keptMs = LIMITS.deliveriesKeptMs + MARK_EVERY_MS;
    while (marks.length > 0 && processingMs - marks[0]!.processingMs >= keptMs) marks.shift();
    // What came before the first mark that is left is older than it has to be kept.
    const young = marks[0]?.number ?? Number.POSITIVE_INFINITY;
    while (
      this.size >= LIMITS.deliveriesPerDeviceMax ||
      (this.size >= LIMITS.deliveriesPerDeviceKept && this.#forgotten < young)
    ) {
      this.#head++;
      this.#forgotten++;
    }
    if (this.#head * 2 <= this.#identities.length) return;
    this.#identities = this.#identities.slice(this.#head);
    this.#head = 0;
  }

  /** What is stored: oldest first, and how they lie in time, by place. */
  entries(): DeliveryEntries {
    const marks = this.#marks.map(({ number, processingMs }) => ({
      number: Math.max(0, number - this.#forgotten),
      processingMs,
    }));
    return { identities: this.#identities.slice(this.#head), marks };
  }

  static of({ identities, marks }: DeliveryEntries): DeliveryMemory {
    const memory = new DeliveryMemory();
    memory.#identities = [...identities];
    memory.#marks = [...marks];
    return memory;
  }
}

export interface DeliveryEntries {
  readonly identities: readonly number[];
  readonly marks: readonly DeliveryMark[];
}

interface DeliveryMark {
  /** Of the first entry that came at this time. */
  readonly number: number;
  readonly processingMs: number;
}

/** How exactly the age of entries is known. */
const MARK_EVERY_MS = 10_000;
