import { LIMITS } from "../model/limits.js";

/** A device for which there was no room. */
export interface RefusedDevice {
  readonly profile: string;
  readonly device: string;
  /** Since the start of the process, with those that its journal was replayed with. */
  readonly readings: number;
}

/** Names of devices that were refused, as many as are remembered; all are counted under the unknown device. */
export class RefusedDevices {
  readonly #devices = new Map<string, RefusedDevice>();

  note(profile: string, device: string, readings: number): void {
    const key = `${profile}\0${device}`;
    const known = this.#devices.get(key);
    if (known === undefined && this.#devices.size >= LIMITS.refusedNamesMax) return;
    this.#devices.set(key, { profile, device, readings: (known?.readings ?? 0) + readings });
  }

  all(): readonly RefusedDevice[] {
    return [...this.#devices.values()];
  }
}
