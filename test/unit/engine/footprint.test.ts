import { describe, expect, it } from "vitest";
import type { FillRule, WindowDefinition } from "../../../src/model/window.js";
import { BlockMaker, engineProfile, field, newEngine } from "../../helpers/engine.js";

const HOUR = 3_600_000;
const WINDOWS: readonly Pick<WindowDefinition, "kind" | "allowedLatenessMs">[] = [
  // Fired, and held for late readings.
  { kind: { type: "tumbling", sizeMs: 60_000, offsetMs: 0 }, allowedLatenessMs: 1_000 * HOUR },
  { kind: { type: "global" }, allowedLatenessMs: 0 },
  { kind: { type: "session", gapMs: 1_000 * HOUR, maxMs: Number.POSITIVE_INFINITY }, allowedLatenessMs: 0 },
];
/** Far apart, so that a histogram has all the buckets that it may have. */
const VALUES = Array.from({ length: 40 }, (_, i) => 1.2 ** i);
const DEVICES = 20;
const BUCKET_BYTES = 8;
const BUCKETS = 130;

describe("the estimate of memory", () => {
  it.each(WINDOWS)("has the histograms of $kind.type windows in it, wherever they are", (window) => {
    const profile = engineProfile({
      fields: [field("x", { type: "float" })],
      windows: [{ name: "w", ...window, aggregates: [{ field: 0, names: ["p95"] }] }],
    });
    const engine = newEngine(profile);
    const blocks = new BlockMaker(profile);
    const send = (timeMs: number, values: readonly number[]) => {
      for (let device = 0; device < DEVICES; device++) {
        const readings = values.map((value, i) => ({
          device: `d${device}`,
          timeMs: timeMs + i * 1_000,
          values: [value],
        }));
        engine.apply(blocks.block(readings));
      }
    };
    send(0, VALUES.slice(0, 2));
    const before = engine.residency.bytes;
    send(120_000, VALUES);
    // Their slices are let go, where nothing else holds them.
    send(48 * HOUR, [1]);
    expect(engine.residency.bytes - before).toBeGreaterThan(DEVICES * BUCKETS * BUCKET_BYTES);
  });

  it.each(["transitions", "counts"])("has the texts in it that are kept for %s", (aggregate) => {
    const profile = engineProfile({
      fields: [field("s", { type: "string" })],
      windows: [
        {
          name: "w",
          kind: { type: "tumbling", sizeMs: HOUR, offsetMs: 0 },
          allowedLatenessMs: 0,
          aggregates: [{ field: 0, names: [aggregate] }],
        },
      ],
    });
    const engine = newEngine(profile);
    const blocks = new BlockMaker(profile);
    const text = (i: number) => `${i}`.padStart(200, "text");
    for (let i = 0; i < 100; i++) engine.apply(blocks.block([{ timeMs: i * 1_000, values: [text(i)] }]));
    expect(engine.residency.bytes).toBeGreaterThan(100 * 2 * 200);
  });

  it("has what holes are to be filled with in it", () => {
    const texts = { fields: [field("s", { type: "string" })], aggregates: [{ field: 0, names: ["last"] }] };
    const bytesWith = (fill: FillRule) => {
      const kind = { type: "tumbling", sizeMs: 1_000, offsetMs: 0 } as const;
      const window = { name: "w", kind, allowedLatenessMs: 0, aggregates: texts.aggregates, fill };
      const profile = engineProfile({ fields: texts.fields, windows: [window] });
      const engine = newEngine(profile);
      const blocks = new BlockMaker(profile);
      const text = "text".repeat(250);
      for (let i = 0; i < 3; i++) engine.apply(blocks.block([{ timeMs: i * 1_000, values: [text] }]));
      return engine.residency.bytes;
    };
    expect(bytesWith("previous") - bytesWith("null")).toBeGreaterThan(2 * 1_000);
  });
});
