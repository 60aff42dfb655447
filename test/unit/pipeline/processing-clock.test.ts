import { describe, expect, it } from "vitest";
import { ProcessingClock } from "../../../src/pipeline/processing-clock.js";
import { ManualClock } from "../../helpers/manual-clock.js";

function started() {
  const clock = new ManualClock();
  return { clock, processing: new ProcessingClock(clock, { from: 500, everyMs: 1_000 }) };
}

describe("processing time", () => {
  it("goes on from the last life, with every moment in which the agent listens", () => {
    const { clock, processing } = started();
    let expected = 500;
    for (const ms of [1_000, 3, 0, 1_400, 1_999, 250]) {
      clock.advance(ms);
      expected += ms;
      expect(processing.advance()).toBe(expected);
    }
  });

  it("stands still while the process does, but for the moment after which it would have looked", () => {
    const { clock, processing } = started();
    clock.advance(85_000);
    expect(processing.advance()).toBe(1_500);
    clock.advance(1_000);
    expect(processing.advance()).toBe(2_500);
  });

  it("stands still while a commit takes longer than on a card in good health", () => {
    const { clock, processing } = started();
    processing.advance();
    clock.advance(20_000);
    processing.leaveOutWait();
    clock.advance(100);
    expect(processing.advance()).toBe(650);
  });
});
