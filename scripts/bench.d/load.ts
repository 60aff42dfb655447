/**
 * The load, in a process of its own: publishers on plain sockets, a device each. It connects, publishes for a while
 * so that the broker is warm, prints `warm`, waits for `go` on its standard input, publishes for the measured time,
 * and prints what came of it as one line of JSON.
 *
 * With QoS 1 each connection has at most `window` publishes without their PUBACK, as clients do. With QoS 0 it writes
 * as fast as it is read, and one in 500 publishes has QoS 1, which tells how far the others have come. Either way a
 * phase ends when everything has arrived.
 */
import { createInterface } from "node:readline";
import type { LoadOptions, LoadResult } from "./load-contract.js";
import { Publisher } from "./publisher.js";

const options = JSON.parse(process.argv[2]!) as LoadOptions;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const publishers = await Promise.all(
  Array.from({ length: options.connections }, (_, i) => Publisher.connect(options, i)),
);

async function phase(durationMs: number): Promise<number> {
  const startMs = performance.now();
  await Promise.all(publishers.map((publisher) => publisher.publishFor(durationMs)));
  return performance.now() - startMs;
}

function published(): number {
  return publishers.reduce((sum, { readings }) => sum + readings, 0);
}

await phase(options.warmUpMs);
for (const publisher of publishers) publisher.forgetTimes();
const before = published();
console.log("warm");
await lines.next();
const elapsedMs = await phase(options.durationMs);
const messagesInAll = published();
const ackMs = Float64Array.from(publishers.flatMap(({ ackMs: times }) => times)).sort();
const at = (share: number): number => ackMs[Math.floor(ackMs.length * share)] ?? 0;
const result: LoadResult = {
  messages: messagesInAll - before,
  messagesInAll,
  elapsedMs,
  ackMsP50: at(0.5),
  ackMsP99: at(0.99),
};
// Moves the event time on, so that every window before it is closed.
await Promise.all(publishers.map((publisher) => publisher.publishLast()));
console.log(JSON.stringify(result));
for (const publisher of publishers) publisher.close();
process.stdin.destroy();
