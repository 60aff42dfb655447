import type { Block } from "../model/block.js";
import type { Summary } from "../model/summary.js";
import { type Device, isBehind } from "./device.js";
import { inOrder } from "./held.js";

/**
 * Devices that have more to say than one share is for (share.ts). In every block they go on by a share each, before
 * anything else, until the block has caused as many summaries as it may. Where that is stands in the block: a replay, which
 * passes over devices that were stored later, would count other summaries. A block takes nothing in either where a group
 * has more to say, which it does at the block's end.
 */
export class BehindDevices {
  readonly #devices = new Set<Device>();

  get isEmpty(): boolean {
    return this.#devices.size === 0;
  }

  /** To be called when a device has changed, or come into memory. */
  note(device: Device): void {
    if (isBehind(device)) this.#devices.add(device);
    else if (this.#devices.size > 0) this.#devices.delete(device);
  }

  /** Lets them go on. @returns `Block.behindThrough`, where some have to wait for the next block */
  goOn(going: Going, advance: (device: Device) => void): string | undefined {
    const { block, summaries, summariesMax, groups } = going;
    const { behindThrough } = block;
    if (behindThrough === "") return behindThrough;
    let last: string | undefined;
    for (const device of inOrder(this.#devices)) {
      const place = placeOf(device);
      if (behindThrough !== undefined && place > behindThrough) return behindThrough;
      if (behindThrough === undefined && last !== undefined && summaries.length >= summariesMax) return last;
      advance(device);
      last = place;
    }
    // What has been cut is whole.
    const isToWait = groups.isBehind && summariesMax < Number.POSITIVE_INFINITY;
    return behindThrough ?? (isToWait ? BEHIND_ALL : undefined);
  }
}

/** Groups have more to say, and nothing is taken in before. */
const BEHIND_ALL = "\uffff";

/** A block that is being applied. */
export interface Going {
  readonly block: Block;
  readonly summaries: readonly Summary[];
  readonly summariesMax: number;
  readonly groups: { readonly isBehind: boolean };
}

/** In the order of `inOrder`: no id has a control character. */
function placeOf({ profileId, name }: Device): string {
  return `${profileId}\0${name}`;
}
