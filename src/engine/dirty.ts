import type { Device } from "./device.js";

/** Devices that have changed since they were last stored; of one device, `Device.dirty` says whether it is among them. */
export class DirtyDevices {
  #devices: Device[] = [];

  add(device: Device): void {
    if (device.dirty) return;
    device.dirty = true;
    this.#devices.push(device);
  }

  /** Hands them over to be stored; who has stored one clears its `dirty`. */
  take(): Device[] {
    const devices = this.#devices;
    this.#devices = [];
    return devices;
  }
}
