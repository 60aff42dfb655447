import type { PassingPacket, Way } from "./chaos-proxy.js";

const [PUBLISH, PUBACK] = [3, 4];

/**
 * What has been acknowledged over a cable, by what passed through it: a broker that is killed forgets what it has
 * taken, so nobody behind it can be asked. QoS 1.
 */
export class AckLedger {
  /** Payloads that were delivered, acknowledged or not. */
  readonly delivered = new Set<string>();
  readonly #way: Way;
  readonly #acknowledged: (payload: string) => void;
  readonly #waiting = new Map<string, string>();

  /** @param way of the publishes; their acknowledgements go the other one */
  constructor(way: Way, acknowledged: (payload: string) => void) {
    this.#way = way;
    this.#acknowledged = acknowledged;
  }

  /** To be called with each packet that has been passed on. */
  passed({ way, connection, bytes }: PassingPacket): void {
    const kind = bytes[0]! >> 4;
    // Behind the fixed header, whose length may take up to four bytes.
    let at = 1;
    while (bytes[at]! >= 0x80) at++;
    at++;
    if (way === this.#way && kind === PUBLISH && (bytes[0]! & 6) !== 0) {
      const idAt = at + 2 + bytes.readUInt16BE(at);
      const payload = bytes.toString("utf8", idAt + 2);
      this.delivered.add(payload);
      this.#waiting.set(`${connection} ${bytes.readUInt16BE(idAt)}`, payload);
    } else if (way !== this.#way && kind === PUBACK) {
      const key = `${connection} ${bytes.readUInt16BE(at)}`;
      const payload = this.#waiting.get(key);
      if (payload === undefined) return;
      this.#waiting.delete(key);
      this.#acknowledged(payload);
    }
  }
}
