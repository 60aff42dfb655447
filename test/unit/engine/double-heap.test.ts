import { expect, it } from "vitest";
import { DoubleHeap, type Row } from "../../../src/engine/double-heap.js";

const ROWS = 10_000;
const LENGTH = 24;

function rows(heap: DoubleHeap): Row[] {
  return Array.from({ length: ROWS }, (_, i) => {
    const row: Row = { numbers: new Float64Array(0), base: 0 };
    heap.take(LENGTH, row);
    row.numbers.fill(i, row.base, row.base + LENGTH);
    return row;
  });
}

it("gives up pages in which nothing is used any more, and no row that is", () => {
  const heap = new DoubleHeap();
  const taken = rows(heap);
  const fullBytes = heap.pagesBytes;
  const kept = taken.splice(0, 100);
  for (const row of taken) heap.give(row, LENGTH);
  heap.trim();
  expect(heap.pagesBytes).toBeLessThan(fullBytes / 5);
  const again = rows(heap);
  expect(heap.pagesBytes).toBeLessThanOrEqual(fullBytes + 8 * 16_384);
  kept.forEach((row, i) => {
    expect([...row.numbers.subarray(row.base, row.base + LENGTH)]).toEqual(new Array(LENGTH).fill(i));
  });
  expect(new Set([...kept, ...again].map(({ numbers, base }) => `${pageOf(numbers)} ${base}`)).size).toBe(
    ROWS + 100,
  );
});

const pages: Float64Array[] = [];

function pageOf(numbers: Float64Array): number {
  const known = pages.indexOf(numbers);
  return known >= 0 ? known : pages.push(numbers) - 1;
}
