import type { Kernel } from "./kernel.js";
import type { Decoder, Received } from "./received.js";
import type { Sensor, Sent } from "./sensor.js";
import type { SimulatedUpstream } from "./upstream.js";

/** What one upstream has got, held to "highest revision per id wins" as it arrives. */
export class Receipts {
  readonly target: string;
  arrivals = 0;
  /** By id, the revisions with their bytes. */
  readonly #revisions = new Map<string, Map<number, string>>();
  readonly #newest = new Map<string, Received>();
  readonly decoder: Decoder;
  /** First reading of each device that only closes windows. */
  #closing = new Map<string, number>();

  constructor(upstream: SimulatedUpstream, decoder: Decoder, kernel: Kernel) {
    this.target = upstream.name;
    this.decoder = decoder;
    upstream.onReceive = (json) => {
      try {
        this.#receive(json);
      } catch (error) {
        kernel.fail(error);
      }
    };
  }

  closingFrom(sensors: readonly Sensor[]): void {
    this.#closing = new Map(sensors.map((sensor) => [keyOf(sensor), sensor.sent.length]));
  }

  /** Whether a reading was sent before the windows were closed. @param device by profile and name */
  counts(device: string, { number }: Sent): boolean {
    return number < (this.#closing.get(device) ?? Number.POSITIVE_INFINITY);
  }

  /** Whether somebody closes this device's windows in the end. */
  knows(device: string): boolean {
    return this.#closing.has(device);
  }

  #receive(json: string): void {
    this.arrivals++;
    const received = this.decoder.received(json);
    const { id, revision } = received.summary;
    const known = this.#revisions.get(id) ?? new Map<number, string>();
    this.#revisions.set(id, known);
    const same = known.get(revision);
    if (same !== undefined) {
      if (same !== json) throw new Error(`${id}: revision ${revision} came as\n${same}\nand as\n${json}`);
      return;
    }
    const newest = this.#newest.get(id)?.summary;
    if (newest !== undefined && revision <= newest.revision) {
      throw new Error(`${id}: revision ${revision} came first after ${newest.revision}`);
    }
    if (newest?.final === true) throw new Error(`${id}: a revision after the final one`);
    known.set(revision, json);
    this.#newest.set(id, received);
  }

  /** The last word on every window. */
  newest(): Iterable<Received> {
    return this.#newest.values();
  }
}

/** By profile and device, as summaries name them. */
export function keyOf({ spec }: Sensor): string {
  return `${spec.profile.id}/${spec.name}`;
}
