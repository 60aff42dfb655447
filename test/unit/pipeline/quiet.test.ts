import { describe, expect, it } from "vitest";
import { QuietWatch } from "../../../src/pipeline/quiet.js";
import { ManualClock } from "../../helpers/manual-clock.js";

/**
 * Watches from the first to the last of some readings that come at once, and then `everyMs` apart.
 * @returns milliseconds from the last one until the input is taken for quiet
 */
function pauseAfter({ atOnce, more = 0, everyMs = 0.003 }: Stream): number {
  const clock = new ManualClock();
  const block = { readings: atOnce };
  let quietMs = Number.NaN;
  new QuietWatch(clock, clock).start(block, clock.monotonicMs() - atOnce * everyMs, () => {
    quietMs = clock.monotonicMs();
  });
  for (let i = 0; i < more; i++) {
    clock.advance(everyMs);
    block.readings++;
  }
  expect(quietMs).toBeNaN();
  const lastMs = clock.monotonicMs();
  clock.advance(1_000);
  return quietMs - lastMs;
}

interface Stream {
  readonly atOnce: number;
  readonly more?: number;
  readonly everyMs?: number;
}

describe("a block whose input pauses", () => {
  it("is cut well within a millisecond when it is worth a sync, for its senders wait for it", () => {
    expect(pauseAfter({ atOnce: 128, more: 72 })).toBeLessThanOrEqual(0.4);
  });

  it("waits a millisecond when it is small, so that more may come along with it", () => {
    const waitedMs = pauseAfter({ atOnce: 1, more: 19 });
    expect(waitedMs).toBeGreaterThanOrEqual(0.9);
    expect(waitedMs).toBeLessThanOrEqual(2);
  });

  it("is not cut between the readings of an even stream, however fast, but waits in proportion to its age", () => {
    for (const everyMs of [0.003, 0.01, 0.1, 1]) {
      expect(pauseAfter({ atOnce: 128, more: 1_000, everyMs })).toBeGreaterThan(10 * everyMs);
    }
  });
});
