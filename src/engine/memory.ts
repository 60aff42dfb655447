import { LIMITS } from "../model/limits.js";

/**
 * What a device remembers to recognise a reading that comes again without an event time of its own to tell:
 * duplicate keys with a time to live, and the identities of the MQTT packets that carried its readings.
 * Both are bounded; both are part of the device's durable state.
 */

/** Keys by arrival time of their first sighting. The order of arrival decides: a key is not an event time. */
export class KeyMemory {
  /** In order of first sighting, so that the expired ones are in front. */
  readonly firstSeen = new Map<string, number>();
  /** Keys forgotten before their time because there were too many. */
  forgotten = 0;

  /** Whether the key was first seen at most `ttlMs` before; if not, this is its first sighting. */
  seen(key: string, arrivalMs: number, ttlMs: number): boolean {
    const first = this.firstSeen.get(key);
    if (first !== undefined && arrivalMs - first <= ttlMs) return true;
    for (const [oldest, at] of this.firstSeen) {
      if (arrivalMs - at <= ttlMs) break;
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
 * The last packets of a device. A sender may repeat a packet that was committed but whose acknowledgement it did
 * not get (MQTT 3.1.1, section 4.4); it then sets DUP, and only then is the memory asked, since packet identifiers
 * are used again in time.
 */
export class DeliveryMemory {
  /** Identities, oldest at `next` once full. */
  readonly identities: number[] = [];
  next = 0;

  /** @param identity as in `ReadingGroup.deliveries`, not 0 */
  seen(identity: number): boolean {
    const plain = Math.abs(identity);
    if (identity < 0 && this.identities.includes(plain)) return true;
    if (this.identities.length < LIMITS.deliveriesPerDeviceMax) {
      this.identities.push(plain);
    } else {
      this.identities[this.next] = plain;
      this.next = (this.next + 1) % LIMITS.deliveriesPerDeviceMax;
    }
    return false;
  }
}
