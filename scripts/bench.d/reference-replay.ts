/**
 * What `weir replay` is compared with: the least a program could do to get the same numbers from a clean recording.
 * It decompresses, cuts lines and columns or parses JSON, and keeps count, sum and maximum by window: no checks, no duplicates, no
 * exactness, no order.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";

const WINDOW_MS = Number(process.argv[4]);
const isJson = process.argv[3] === "json";
const input = createReadStream(process.argv[2]!).pipe(createGunzip());
const windows = new Map<number, { count: number; sum: number; max: number }>();
for await (const line of createInterface({ input })) {
  const [time, value] = isJson ? fromJson(line) : fromCells(line.split(";"));
  if (Number.isNaN(time)) continue;
  const start = Math.floor(time / WINDOW_MS) * WINDOW_MS;
  const window = windows.get(start);
  if (window === undefined) windows.set(start, { count: 1, sum: value, max: value });
  else {
    window.count++;
    window.sum += value;
    window.max = Math.max(window.max, value);
  }
}
for (const [start, { count, sum, max }] of [...windows].sort(([a], [b]) => a - b)) {
  process.stdout.write(
    `${JSON.stringify({ start: new Date(start).toISOString(), count, mean: sum / count, max })}\n`,
  );
}

function fromCells(cells: readonly string[]): [number, number] {
  return [Date.parse(`${cells[5]}Z`), Number(cells[6])];
}

function fromJson(line: string): [number, number] {
  const { timestamp, temperature } = JSON.parse(line) as { timestamp: string; temperature: number };
  return [Date.parse(`${timestamp}Z`), temperature];
}
