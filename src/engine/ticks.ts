import type { Block } from "../model/block.js";
import type { Device } from "./device.js";
import type { Groups } from "./groups.js";
import type { ProfileState } from "./profile-state.js";
import type { ProfileStates } from "./profile-states.js";
import type { Residency } from "./residency.js";
import { isInPart } from "./roster.js";
import { idleFloor } from "./silence.js";
import { planTick, type TickPlan } from "./tick-plan.js";

export interface Ticking {
  readonly profiles: ProfileStates;
  readonly groups: Groups;
  readonly residency: Residency;
  /** Brings back a device that is in the store only. */
  readonly comeBack: (state: ProfileState, row: number) => Device;
}

/** Looks at devices that have fallen silent, about once a second. */
export class Ticks {
  readonly #on: Ticking;

  constructor(on: Ticking) {
    this.#on = on;
  }

  /** Whether a tick at this processing time would do anything; if not, no block needs to be written for it. */
  isDue(processingMs: number): boolean {
    for (const { devices, away } of this.#on.profiles.all()) {
      if (away.isDue(processingMs)) return true;
      for (const device of devices.values()) {
        if (idleFloor(device, processingMs) !== undefined) return true;
      }
    }
    return this.#on.groups.tickDue(processingMs);
  }

  /** How a tick at this processing time may go, by what it would bring back into memory, and by what it would say. */
  plan(processingMs: number): TickPlan {
    return planTick([...this.#on.profiles.all()], processingMs, this.#on.residency.loadsMax);
  }

  /**
   * Carries on the event time of devices that have fallen silent, as far as their open windows need it.
   * @param advance fires what is due with one
   */
  apply(block: Block, advance: (device: Device) => void): void {
    const { processingMs, tickPart } = block;
    for (const state of this.#on.profiles.all()) {
      for (const device of state.devices.values()) {
        if (isInPart(device.name, tickPart) && hasMovedOn(device, block)) advance(device);
      }
      for (const row of state.away.due(processingMs, tickPart)) {
        const device = this.#on.comeBack(state, row);
        if (hasMovedOn(device, block)) advance(device);
      }
    }
  }
}

/** Whether silence has moved the time of a device on. */
function hasMovedOn(device: Device, { sequence, processingMs }: Block): boolean {
  if (device.replayedThrough >= sequence) return false;
  const floorMs = idleFloor(device, processingMs);
  if (floorMs === undefined) return false;
  device.idleFloorMs = floorMs;
  return true;
}
