import { describe, expect, it } from "vitest";
import { DiskError, type DiskFault } from "../../../src/store/disk.js";
import { readAgain } from "../../../src/store/read-again.js";

/** A read that fails so many times, and what is noted of it. */
function failing(times: number, fault: DiskFault = "failed") {
  const pauses: number[] = [];
  let left = times;
  const read = () => {
    if (left-- > 0) throw new DiskError(fault, "Input/output error", undefined);
    return "what was asked for";
  };
  return { pauses, read: () => readAgain(read, { pause: (ms) => pauses.push(ms) }) };
}

describe("a read in the midst of a block", () => {
  it("gets through when the disk has failed for a moment", () => {
    const { read, pauses } = failing(5);
    expect(read()).toBe("what was asked for");
    expect(pauses).toHaveLength(5);
  });

  it("fails when the disk has failed for about a second: longer the process may not stand still", () => {
    const { read, pauses } = failing(1_000);
    expect(read).toThrow("Input/output error");
    expect(pauses.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(1_000);
    expect(pauses.length).toBeGreaterThan(5);
  });

  it("is not tried again when what is there is damaged", () => {
    const { read, pauses } = failing(1, "damaged");
    expect(read).toThrow("Input/output error");
    expect(pauses).toEqual([]);
  });
});
