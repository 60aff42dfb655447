import { describe, expect, it } from "vitest";
import { newDevice } from "../../../src/engine/device.js";
import type { HeldReading } from "../../../src/engine/held.js";
import { planProfile } from "../../../src/engine/plan.js";
import { Residency } from "../../../src/engine/residency.js";
import type { ReadingGroup } from "../../../src/model/block.js";
import { newGroup } from "../../../src/model/block.js";
import { LIMITS } from "../../../src/model/limits.js";
import { REASON_CODE } from "../../../src/model/reasons.js";
import { ArrivalClock } from "../../../src/pipeline/arrival-clock.js";
import { withinBounds } from "../../../src/pipeline/held-bounds.js";
import { engineProfile } from "../../helpers/engine.js";
import { ManualClock, settle } from "../../helpers/manual-clock.js";
import { Pipeline } from "../../helpers/pipeline.js";
import { Recorder } from "../../helpers/recorder.js";
import { temporaryFolder, until } from "../../helpers/tools.js";

function begin(options: ConstructorParameters<typeof ManualClock>[0] = {}) {
  const clock = new ManualClock(options);
  const told: string[] = [];
  const arrivals = new ArrivalClock({ clock, observer: { emit: ({ name }) => told.push(name) } });
  return { clock, arrivals, told };
}

describe("the clock of arrivals", () => {
  it("goes by the machine's own clock between two looks, and says by how much it was wrong", () => {
    const { clock, arrivals, told } = begin();
    const startMs = clock.wallMs();
    clock.stepWall(startMs + 3_600_000);
    clock.advance(500);
    expect(arrivals.stamp()).toBe(startMs + 500);
    expect(arrivals.look()).toBe(3_600_000);
    expect(arrivals.stamp()).toBe(clock.wallMs());
    expect(arrivals.look()).toBe(0);
    expect(told).toEqual(["clock-stepped"]);
  });

  it("does not follow the jitter of reading two clocks, nor tell of what is adjusted every day", () => {
    const { clock, arrivals, told } = begin();
    clock.stepWall(clock.wallMs() - 1);
    expect(arrivals.look()).toBe(0);
    clock.stepWall(clock.wallMs() - 2);
    expect(arrivals.look()).toBe(-3);
    expect(told).toEqual([]);
  });

  it("does not believe a clock that is set between two looks at it", () => {
    const { clock, arrivals } = begin({ wallMs: 5_000, trusted: false });
    const look = clock.wallMs.bind(clock);
    clock.wallMs = () => {
      clock.stepWall(Date.UTC(2026, 5, 1), { trusted: true });
      return look();
    };
    arrivals.look();
    expect(arrivals.trusted).toBe(false);
    arrivals.look();
    expect(arrivals.trusted).toBe(true);
  });

  it("tells when readings begin to wait, and when they need not any more", () => {
    const { clock, arrivals, told } = begin({ wallMs: 5_000, trusted: false });
    clock.stepWall(Date.UTC(2026, 5, 1), { trusted: true });
    arrivals.look();
    expect(told).toEqual(["clock-unset", "clock-stepped", "clock-set"]);
  });

  it.each([true, false])(
    "tells how it stands with readings that wait since before a restart: %s",
    (trusted) => {
      const clock = new ManualClock({ trusted });
      const told: string[] = [];
      new ArrivalClock({ clock, observer: { emit: ({ name }) => told.push(name) }, holding: true });
      expect(told).toEqual([trusted ? "clock-set" : "clock-unset"]);
    },
  );

  it("tells once that the store is ahead of it, when it can be trusted", () => {
    const clock = new ManualClock({ wallMs: 5_000, trusted: false });
    const observer = new Recorder();
    const aheadOf = (nowMs: number) => ({ devices: 2, byMs: Date.UTC(2027) - nowMs });
    const arrivals = new ArrivalClock({ clock, observer, aheadOf });
    expect(observer.named("clock-behind")).toEqual([]);
    clock.stepWall(Date.UTC(2026), { trusted: true });
    arrivals.look();
    arrivals.look();
    expect(observer.named("clock-behind")).toEqual([{ devices: 2, byMs: Date.UTC(2027) - Date.UTC(2026) }]);
  });
});

describe("what may wait for the clock", () => {
  const group = (device: string, times: readonly number[], values = [1]): ReadingGroup => ({
    ...newGroup("h", device, false),
    arrivals: times.map((_, i) => i),
    times: [...times],
    values: times.map(() => values),
    deliveries: times.map((_, i) => i + 1),
  });
  const untimed = (count: number) => new Array<number>(count).fill(Number.NaN);
  const nothing = { present: () => undefined, heldBytes: 0 };

  it("is bounded for each device; the rest is counted, and what has an event time goes on", () => {
    const times = [...untimed(5), 77];
    const device = newDevice("p", "d", planProfile(engineProfile(), new Residency({})));
    const waiting = { boot: 1, uptimeMs: 0, values: [], key: undefined };
    device.held = new Array<HeldReading>(LIMITS.heldReadingsPerDeviceMax - 2).fill(waiting);
    const engine = { ...nothing, present: () => device };
    const [bounded] = withinBounds([group("d", times)], engine);
    expect(bounded).toMatchObject({ arrivals: [0, 1, 5], deliveries: [1, 2, 6] });
    expect(bounded!.times).toEqual([Number.NaN, Number.NaN, 77]);
    expect(bounded!.rejected[REASON_CODE.clockUnset]).toBe(3);
  });

  it("is bounded in all, by what it takes in memory", () => {
    const engine = { ...nothing, heldBytes: LIMITS.heldBytesMax - 500 };
    const groups = withinBounds(
      ["a", "b", "c"].map((device) => group(device, untimed(2))),
      engine,
    );
    expect(groups.map(({ arrivals }) => arrivals.length)).toEqual([2, 0, 0]);
    expect(groups.map(({ rejected }) => rejected[REASON_CODE.clockUnset] ?? 0)).toEqual([0, 2, 2]);
  });
});

describe("the pipeline on a gateway that came up in 1970", () => {
  it("gives a reading that has come, but is in no block yet, the time of the clock that is set meanwhile", async () => {
    const clock = new ManualClock({ wallMs: 9_000, trusted: false });
    const pipeline = await Pipeline.open(await temporaryFolder(), engineProfile(), 1e6, { clock });
    pipeline.put({ timeMs: Number.NaN, arrivalMs: 9_000, values: [1] });
    const stepMs = Date.UTC(2026, 5, 1, 12) - 9_000;
    clock.stepWall(9_000 + stepMs, { trusted: true });
    await pipeline.committer.drain();
    expect(pipeline.engine.counts()).toMatchObject([{ accepted: 1, lastTimeMs: 9_000 + stepMs }]);
    await pipeline.crash();
  });

  it("acknowledges what has to wait, keeps it over a crash, and commits as soon as the clock is set", async () => {
    const path = await temporaryFolder();
    const profile = engineProfile();
    let acknowledged = 0;
    const first = await Pipeline.open(path, profile, 1e6, {
      clock: new ManualClock({ wallMs: 9_000, trusted: false }),
    });
    for (let i = 0; i < 3; i++) {
      first.put({ timeMs: Number.NaN, arrivalMs: first.clock.wallMs(), values: [1] }, () => acknowledged++);
      await first.clock.run(30_000);
    }
    await first.committer.drain();
    expect(acknowledged).toBe(3);
    await first.crash();
    const second = await Pipeline.open(path, profile, 1e6, { clock: first.clock });
    expect(second.engine.counts()).toMatchObject([{ received: 0, waiting: 3 }]);
    second.committer.start();
    second.clock.stepWall(Date.UTC(2026, 5, 1, 12, 1, 30), { trusted: true });
    await second.clock.run(1_000);
    await settle();
    await until(() => !second.engine.isHolding, { what: "the readings have their time" });
    await second.committer.drain();
    expect(second.engine.counts()).toMatchObject([{ received: 3, accepted: 3, waiting: 0 }]);
    expect((await second.summaries()).map(({ window, fields }) => [window.start, fields.x?.count])).toEqual([
      ["2026-06-01T12:00:00Z", 2],
    ]);
    await second.crash();
  });
});
