import fc from "fast-check";
import type { Engine } from "../../src/engine/engine.js";
import type { EngineProfile } from "../../src/model/profile.js";
import type { Summary } from "../../src/model/summary.js";
import { BlockMaker, newEngine, restored, type TestReading } from "./engine.js";

/** How readings come to an engine: in what order, which of them twice, in what blocks, with restarts behind which. */
export const JOURNEY = {
  order: fc.infiniteStream(fc.nat()),
  repeat: fc.infiniteStream(fc.boolean()),
  cut: fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
  restart: fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
};

type Streams = { readonly [K in keyof typeof JOURNEY]: fc.Stream<unknown> };

/** The readings, some of them repeated, in any order. */
export function shuffled(
  readings: readonly TestReading[],
  { order, repeat }: Pick<Streams, "order" | "repeat">,
): TestReading[] {
  const arriving = readings.flatMap((r) => (repeat.next().value === true ? [r, r] : [r]));
  const keyed = arriving.map((r) => ({ r, key: order.next().value as number }));
  return keyed.sort((a, b) => a.key - b.key).map(({ r }) => r);
}

/** What engines say to readings that arrive like this, each going on where a restart ended the one before it. */
export function travel(
  profile: EngineProfile,
  arriving: readonly TestReading[],
  { cut, restart }: Pick<Streams, "cut" | "restart">,
): { readonly engine: Engine; readonly summaries: readonly Summary[] } {
  let engine = newEngine(profile);
  const blocks = new BlockMaker(profile);
  const summaries: Summary[] = [];
  for (let at = 0; at < arriving.length; ) {
    const size = cut.next().value as number;
    summaries.push(...engine.apply(blocks.block(arriving.slice(at, at + size))));
    at += size;
    if (restart.next().value === 0) engine = restored(engine, profile);
  }
  summaries.push(...engine.flush());
  return { engine, summaries };
}
