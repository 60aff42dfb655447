import { describe, expect, it } from "vitest";
import type { EngineProfile } from "../../../src/model/profile.js";
import type { Summary } from "../../../src/model/summary.js";
import type { WindowDefinition } from "../../../src/model/window.js";
import {
  BlockMaker,
  engineProfile,
  field,
  newEngine,
  type TestReading,
  tumbling,
} from "../../helpers/engine.js";

const MINUTE = 60_000;
const mean = [{ field: 0, names: ["count", "mean"] }];

/** One block per reading, as they come; `flush` at the end where asked. */
function feed(
  profile: EngineProfile,
  readings: readonly TestReading[],
  options: { readonly flush?: boolean } = {},
) {
  const engine = newEngine(profile);
  const blocks = new BlockMaker(profile);
  const summaries = readings.flatMap((r) => engine.apply(blocks.block([r])));
  if (options.flush === true) summaries.push(...engine.flush());
  return { engine, blocks, summaries };
}

function at(minutes: number, value = 1): TestReading {
  return { timeMs: minutes * MINUTE, values: [value] };
}

function short(summaries: readonly Summary[]) {
  return summaries.map((s) => [s.window.start?.slice(11, 16), s.revision, s.final, s.fields.x?.count]);
}

describe("tumbling windows", () => {
  it("are half-open: a reading on the edge belongs to the window that begins there", () => {
    const { summaries } = feed(engineProfile({ windows: [tumbling("1m", MINUTE, mean)] }), [
      at(0),
      at(1),
      at(2),
    ]);
    expect(short(summaries)).toEqual([
      ["00:00", 0, true, 1],
      ["00:01", 0, true, 1],
    ]);
  });

  it("are aligned to the epoch, also before it", () => {
    const { summaries } = feed(engineProfile({ windows: [tumbling("1m", MINUTE, mean)] }), [at(-0.5), at(1)]);
    expect(summaries[0]?.window).toMatchObject({
      start: "1969-12-31T23:59:00Z",
      end: "1970-01-01T00:00:00Z",
    });
  });

  it("fire on time, again for a late reading, and once more as final", () => {
    const windows = [tumbling("1m", MINUTE, mean, 2 * MINUTE)];
    const { summaries } = feed(engineProfile({ windows }), [at(0), at(1.5), at(0.5), at(3)]);
    expect(short(summaries).filter(([start]) => start === "00:00")).toEqual([
      ["00:00", 0, false, 1],
      ["00:00", 1, false, 2],
      ["00:00", 2, true, 2],
    ]);
  });

  it("reject what comes after they are final, and count it", () => {
    const { engine, summaries } = feed(engineProfile(), [at(0), at(5), at(0.5)], { flush: true });
    expect(engine.counts()[0]).toMatchObject({ received: 3, accepted: 2, rejected: { late: 1 } });
    expect(summaries.filter((s) => s.window.start?.includes("00:00:00"))).toHaveLength(1);
  });

  it("count a reading that is late for one window and in time for another as accepted and partly late", () => {
    const windows = [tumbling("1m", MINUTE, mean), tumbling("10m", 10 * MINUTE, mean)];
    const { engine, summaries } = feed(engineProfile({ windows }), [at(0), at(5), at(0.5)], { flush: true });
    expect(engine.counts()[0]).toMatchObject({ accepted: 3, partlyLate: 1, rejected: {} });
    const long = summaries.find((s) => s.window.name === "10m");
    expect(long?.fields.x?.count).toBe(3);
  });

  it("make a window out of late readings alone while its lateness lasts", () => {
    const windows = [tumbling("1m", MINUTE, mean, 10 * MINUTE)];
    const { summaries } = feed(engineProfile({ windows }), [at(5), at(0.5)]);
    expect(short(summaries)).toEqual([["00:00", 0, false, 1]]);
  });

  it("wait for the out-of-orderness before they fire", () => {
    const time = { ...engineProfile().time, outOfOrdernessMs: 30_000 };
    const { summaries } = feed(engineProfile({ time }), [at(0), at(1.4), at(0.9), at(1.5)]);
    expect(short(summaries)).toEqual([["00:00", 0, true, 2]]);
  });

  it("are not moved by one reading from the future", () => {
    const time = { ...engineProfile().time, maxFutureMs: MINUTE };
    const now = 10 * MINUTE;
    const readings = [at(9), at(60), at(9.5)].map((r) => ({ ...r, arrivalMs: now }));
    const { engine } = feed(engineProfile({ time }), readings);
    expect(engine.counts()[0]).toMatchObject({
      accepted: 2,
      rejected: { future: 1 },
      lastTimeMs: 9.5 * MINUTE,
    });
  });

  it("count two equal readings of one millisecond of arrival as two", () => {
    const packets = [11, 12, 0, 0].map((delivery) => ({
      timeMs: Number.NaN,
      arrivalMs: 90_000,
      values: [1],
      delivery,
    }));
    const repeated = { timeMs: Number.NaN, arrivalMs: 90_000, values: [1], delivery: -12 };
    const { engine } = feed(engineProfile(), [...packets, repeated]);
    expect(engine.counts()[0]).toMatchObject({ accepted: 4, rejected: { duplicate: 1 } });
  });

  it("take the arrival time where a reading has none", () => {
    const reading = { timeMs: Number.NaN, arrivalMs: 90_000, values: [1] };
    const { summaries } = feed(engineProfile(), [reading], { flush: true });
    expect(summaries[0]?.window.start).toBe("1970-01-01T00:01:00Z");
  });

  it("say so when nothing but rejected readings fell into them", () => {
    const profile = engineProfile({ fields: [field("x", { range: [0, 10] })] });
    const { summaries } = feed(profile, [at(0, 99), at(0.5, 98)], { flush: true });
    expect(summaries[0]).toMatchObject({ fields: {}, quality: { received: 2, accepted: 0, outOfRange: 2 } });
  });
});

describe("day windows", () => {
  const day = (zone: string): WindowDefinition => ({
    name: "day",
    kind: { type: "day", days: 1, zone },
    allowedLatenessMs: 0,
    aggregates: mean,
  });

  it.each([
    ["2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23],
    ["2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25],
    ["2026-06-01T12:00:00Z", "2026-05-31T22:00:00Z", "2026-06-01T22:00:00Z", 24],
  ])("of Berlin at %s go from %s to %s: %d hours", (time, start, end) => {
    const profile = engineProfile({ windows: [day("Europe/Berlin")] });
    const { summaries } = feed(profile, [{ timeMs: Date.parse(time), values: [1] }], { flush: true });
    expect(summaries[0]?.window).toMatchObject({ start, end });
  });

  it("share slices with hours: each reading is added once and both are right", () => {
    const profile = engineProfile({ windows: [day("Asia/Kolkata"), tumbling("1h", 60 * MINUTE, mean)] });
    const readings = Array.from({ length: 48 }, (_, i) => at(i * 30));
    const { engine, summaries } = feed(profile, readings, { flush: true });
    const counted = (name: string) =>
      summaries
        .filter((s) => s.window.name === name)
        .reduce((sum, s) => sum + (s.fields.x?.count as number), 0);
    expect([counted("day"), counted("1h")]).toEqual([48, 48]);
    expect(engine.counts()[0]?.accepted).toBe(48);
  });
});

describe("global windows", () => {
  const global: WindowDefinition = {
    name: "all",
    kind: { type: "global" },
    allowedLatenessMs: 0,
    aggregates: mean,
  };

  it("fire once, at the end of the input, with everything in them", () => {
    const readings = Array.from({ length: 500 }, (_, i) => at(i, i));
    const { engine, summaries } = feed(engineProfile({ windows: [global] }), readings, { flush: true });
    expect(summaries).toHaveLength(1);
    expect(summaries[0]?.fields.x).toEqual({ count: 500, mean: 249.5 });
    expect(summaries[0]?.id).toBe("gw/p/d/all/all");
    expect(engine.counts()[0]?.openWindows).toBe(0);
  });

  it("let go of their slices behind the lateness, so that memory does not grow with the file", () => {
    const { engine } = feed(
      engineProfile({ windows: [global] }),
      Array.from({ length: 5_000 }, (_, i) => at(i)),
    );
    const device = engine.profileState("p")!.devices.get("d")!;
    expect(device.slices.length).toBeLessThan(4);
  });
});

describe("idle devices", () => {
  const time = { ...engineProfile().time, idleTimeoutMs: MINUTE };
  const windows = [tumbling("1m", MINUTE, mean, MINUTE)];

  function silent(forMs: number) {
    const { engine, blocks } = feed(engineProfile({ time, windows }), [at(0.5)]);
    const summaries = [];
    for (let ms = 1_000; ms <= forMs; ms += 1_000) {
      if (engine.ticks.isDue(ms))
        summaries.push(...engine.apply(blocks.block([], { processingMs: ms, tick: true })));
    }
    return { engine, blocks, summaries };
  }

  it("close their windows when the window would have ended and the timeout is over", () => {
    expect(silent(59_000).summaries).toEqual([]);
    expect(short(silent(61_000).summaries)).toEqual([["00:00", 0, false, 1]]);
    expect(short(silent(120_000).summaries)).toEqual([
      ["00:00", 0, false, 1],
      ["00:00", 1, true, 1],
    ]);
  });

  it("do not lose what they send later for windows that had nothing in them yet", () => {
    const { engine, blocks } = silent(600_000);
    engine.apply(blocks.block([at(3)], { processingMs: 600_000 }));
    expect(engine.counts()[0]).toMatchObject({ accepted: 2, rejected: {} });
  });

  it("are not aged by time that nobody measured: a tick at the same processing time does nothing", () => {
    const { engine } = feed(engineProfile({ time, windows }), [at(0.5)]);
    expect(engine.ticks.isDue(0)).toBe(false);
  });
});

describe("the bound on devices", () => {
  it("refuses readings of further devices, counts them, and goes on with the others", () => {
    const profile = engineProfile();
    const engine = newEngine(profile, 2);
    const blocks = new BlockMaker(profile);
    for (const device of ["a", "b", "c", "a"]) engine.apply(blocks.block([{ ...at(0), device }]));
    const counts = Object.fromEntries(engine.counts().map((c) => [c.device, [c.received, c.accepted]]));
    expect(counts).toEqual({ a: [2, 1], b: [1, 1], "?": [1, 0] });
    expect(engine.deviceCount).toBe(2);
  });
});
