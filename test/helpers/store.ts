import type { Observer } from "../../src/model/log-event.js";
import { Store } from "../../src/store/store.js";
import { ManualClock } from "./manual-clock.js";

/** The names of the events that were emitted, in order. */
export class EventNames implements Observer {
  readonly names: string[] = [];

  emit(event: { readonly name: string }): void {
    this.names.push(event.name);
  }
}

/** The real store on a real LevelDB; timers by hand. */
export function openStore(
  path: string,
  rest: {
    logBytesMax?: number;
    databaseBytesMax?: number;
    observer?: Observer;
    clock?: ManualClock;
  } = {},
) {
  const clock = rest.clock ?? new ManualClock();
  const observer = rest.observer ?? new EventNames();
  const { logBytesMax = 1e9, databaseBytesMax = 1e12 } = rest;
  return Store.open({ path, clock, timers: clock, observer, logBytesMax, databaseBytesMax });
}
