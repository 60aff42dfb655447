import type { Cells } from "../aggregate/cells.js";
import type { Device, OpenWindow } from "./device.js";

/**
 * What a device tells the groups that it is in (groups.ts). It hears nothing back: what becomes of a device must not
 * depend on others, because they are stored at different journal positions.
 */
export interface GroupListener {
  /**
   * A window that gathers for a group has fired for the last time.
   * @param cells laid out by the device's plan; not to be kept
   */
  handOver(device: Device, window: OpenWindow, cells: Cells, reconfigured: boolean): void;
  /** A reading was accepted. */
  accepted(device: Device, timeMs: number): void;
  /**
   * The device's time has begun anew at a reading; its windows that begin later have fired.
   * @param nowMs by the clock that is right as far as anyone knows
   */
  begunAnew(device: Device, timeMs: number, nowMs: number): void;
}
