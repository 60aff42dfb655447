import type { SourceParts } from "../../src/source/parts.js";
import { systemClock, systemRandom, systemTimers } from "../../src/system/clock.js";
import { HeldIntake } from "./held-intake.js";
import { Recorder } from "./recorder.js";

export interface TestParts extends SourceParts {
  readonly held: HeldIntake;
  readonly observer: Recorder;
}

/** Real clocks and timers, an intake that the test commits, and a recorder of events. */
export function sourceParts(given: Partial<SourceParts> = {}): TestParts {
  const held = new HeldIntake();
  return {
    intake: held.take,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    ...given,
    observer: new Recorder(),
    held,
  };
}
