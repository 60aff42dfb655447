import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newCells } from "../../../src/aggregate/cells.js";
import { histogramAccumulator } from "../../../src/aggregate/histogram.js";
import { Backlogs, NO_BACKLOG, takesMany } from "../../../src/engine/backlog.js";
import { DoubleHeap } from "../../../src/engine/double-heap.js";
import { cases } from "../../helpers/cases.js";

const step = histogramAccumulator(0.5);
const log = histogramAccumulator(undefined);

/** Every other field has whole steps. */
function fieldsOf(count: number) {
  return Array.from({ length: count }, (_, i) => {
    const slots = [{ accumulator: i % 2 === 0 ? log : step, at: i * log.cells }].filter(takesMany);
    // A field between that gathers nothing in batches.
    return { field: 2 * i, slots };
  });
}

const value = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }).map((n) => n / 2) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, 0, 1e300, -1e-300) },
);

describe("a backlog", () => {
  it("loses no value, however many fields and readings there are and whenever it is looked at", () => {
    const given = fc.record({
      width: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 100 })),
      readings: fc.array(fc.array(value, { minLength: 1, maxLength: 7 }), { maxLength: 200 }),
      looks: fc.uniqueArray(fc.nat(200), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(given, ({ width, readings, looks }) => {
        const heap = new DoubleHeap();
        const fields = fieldsOf(width);
        const backlogs = new Backlogs(fields, heap);
        const slice = { cells: newCells(width * log.cells), backlog: NO_BACKLOG };
        const expected = newCells(width * log.cells);
        for (const [i, few] of readings.entries()) {
          const values = Array.from({ length: 2 * width }, (_, j) => few[j % few.length]!);
          backlogs.put(slice, values);
          for (const { field, slots } of fields) {
            if (Number.isNaN(values[field])) continue;
            for (const { accumulator, at } of slots)
              accumulator.add(expected, at, { timeMs: i, values }, field);
          }
          if (looks.includes(i)) backlogs.settle(slice);
        }
        expect(backlogs.bytesOf(slice)).toBe(heap.bytes);
        backlogs.settle(slice);
        for (const { slots } of fields) {
          for (const { accumulator, at } of slots)
            expect(accumulator.save(slice.cells, at)).toEqual(accumulator.save(expected, at));
        }
        backlogs.drop(slice);
        expect(heap.bytes).toBe(0);
        expect(slice.backlog).toBe(NO_BACKLOG);
      }),
      cases(200),
    );
  });
});
