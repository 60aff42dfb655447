import { statfs } from "node:fs/promises";
import { storeBytesOf } from "../config/bounds.js";
import type { Config } from "../config/load.js";
import { defineEvent, type Observer } from "../model/log-event.js";

/**
 * A store that may become larger than its disk works for months and then stands still: bounds keep it from growing for
 * ever, but not from filling a disk that is smaller than they are. So that is said at every start.
 */
const storeLargerThanDisk = defineEvent<{ readonly storeBytesMax: number; readonly roomBytes: number }>(
  "store-larger-than-disk",
  "warn",
  "the store may become larger than its disk has room for, and nothing is acknowledged while that is full; lower store.logBytesMax or make room",
);

/** @param takenBytes what the store takes already */
export async function checkRoom(config: Config, takenBytes: number, observer: Observer): Promise<void> {
  const disk = await statfs(config.store.path).catch(() => undefined);
  if (disk === undefined) return;
  const roomBytes = disk.bavail * disk.bsize + takenBytes;
  const storeBytesMax = storeBytesOf(config);
  if (roomBytes < storeBytesMax) observer.emit(storeLargerThanDisk, { storeBytesMax, roomBytes });
}
