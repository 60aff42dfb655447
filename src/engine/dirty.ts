import type { Device } from "./device.js";

/** Devices that have changed since they were last stored; of one device, `Device.dirty` says whether it is among them. */
export class DirtyDevices {
  #devices: Device[] = [];

  add(device: Device): void {
    if (device.dirty) return;
    device.dirty = true;
    this.#devices.push(device);
  }

  /** Each of them once, for as long as it is dirty, which who has stored it clears: nobody need store all that are asked for. */
  all(): readonly Device[] {
    // What was stored, and has changed since, is here twice.
    this.#devices = [...new Set(this.#devices)].filter(({ dirty }) => dirty);
    return this.#devices;
  }
}
