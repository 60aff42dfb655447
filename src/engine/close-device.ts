import type { Device } from "./device.js";
import { catchUp, closeWindow, dropAll } from "./firing.js";
import { closeFolds, renewFolds } from "./fold-firing.js";
import type { Firing } from "./summarise.js";

/** Fires every open window of a device as final: there will be no more input. */
export function closeDevice(on: Firing, device: Device): void {
  catchUp(on, device);
  for (const windows of device.open) {
    for (const window of windows) closeWindow(on, device, window, {});
    windows.length = 0;
  }
  closeFolds(on, device);
  renewFolds(on, device);
  device.changed.length = 0;
  device.reshaped = true;
  device.nextDueMs = Number.POSITIVE_INFINITY;
  dropAll(on.plan, device);
}
