import { describe, expect, it } from "vitest";
import { newCells } from "../../../src/aggregate/cells.js";
import { squaresAccumulator, sumAccumulator } from "../../../src/aggregate/exact-sum.js";

/** Fifteen magnitudes that do not overlap: more than the cells of a sum have room for. */
const SPREAD = Array.from({ length: 15 }, (_, i) => 2 ** (60 * (i - 7)));

describe("the state of an exact sum", () => {
  it.each([sumAccumulator, squaresAccumulator])(
    "that was saved does not change when more is added to it: $name",
    (accumulator) => {
      const cells = newCells(accumulator.cells);
      for (const [i, x] of SPREAD.entries()) {
        const saved = accumulator.save(cells, 0);
        const before = [...saved];
        accumulator.add(cells, 0, { timeMs: i, values: [x] }, 0);
        expect(saved).toEqual(before);
        expect(accumulator.save(cells, 0)).not.toEqual(before);
      }
    },
  );
});
