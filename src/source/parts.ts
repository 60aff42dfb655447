import type { Clock, Random, Timers } from "../model/clock.js";
import type { Intake } from "../model/delivery.js";
import type { Observer } from "../model/log-event.js";

/** What every source is given besides its own options. */
export interface SourceParts {
  readonly intake: Intake;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly observer: Observer;
}
