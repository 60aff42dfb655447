import type { Summary } from "../../src/model/summary.js";
import type { Kernel } from "./kernel.js";
import type { Decoder } from "./received.js";
import type { Sensor, Sent } from "./sensor.js";
import type { SimulatedUpstream } from "./upstream.js";

/** What one upstream has got, held to "highest revision per id wins" as it arrives. */
export class Receipts {
  readonly target: string;
  arrivals = 0;
  /** By id, the revisions with their bytes. */
  readonly #revisions = new Map<string, Map<number, string>>();
  readonly #newest = new Map<string, { readonly summary: Summary; readonly members: readonly Sent[] }>();
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
    const summary = JSON.parse(json) as Summary;
    const { id, revision } = summary;
    const known = this.#revisions.get(id) ?? new Map<number, string>();
    this.#revisions.set(id, known);
    const same = known.get(revision);
    if (same !== undefined) {
      if (same !== json) throw new Error(`${id}: revision ${revision} came as\n${same}\nand as\n${json}`);
      return;
    }
    const highest = Math.max(-1, ...known.keys());
    if (revision <= highest) throw new Error(`${id}: revision ${revision} came first after ${highest}`);
    if (this.#newest.get(id)?.summary.final === true)
      throw new Error(`${id}: a revision after the final one`);
    known.set(revision, json);
    this.#newest.set(id, { summary, members: this.decoder.members(json, summary) });
  }

  /** The last word on every window. */
  newest(): Iterable<{ readonly summary: Summary; readonly members: readonly Sent[] }> {
    return this.#newest.values();
  }
}

/** By profile and device, as summaries name them. */
export function keyOf({ spec }: Sensor): string {
  return `${spec.profile.id}/${spec.name}`;
}
