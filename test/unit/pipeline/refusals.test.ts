import { describe, expect, it } from "vitest";
import type { DeviceCounts } from "../../../src/engine/counts.js";
import { Engine } from "../../../src/engine/engine.js";
import type { RejectReason } from "../../../src/model/reasons.js";
import { Refusals, type Refusing } from "../../../src/pipeline/refusals.js";
import { BlockMaker, engineProfile, tumbling } from "../../helpers/engine.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { Recorder } from "../../helpers/recorder.js";
import { SpillingEngine } from "../../helpers/spilling.js";

const HOUR = 3_600_000;
const LOOK = 10_000;

function begin() {
  const clock = new ManualClock();
  const observer = new Recorder();
  const refusals = new Refusals({ clock, timers: clock, observer });
  const warned = () =>
    observer.events.filter(({ level }) => level === "warn").map(({ name, fields }) => ({ name, ...fields }));
  const undecoded = (device: string, reason: RejectReason = "invalid") =>
    refusals.undecoded({ profile: "p", device, reason, detail: "no JSON" });
  return { clock, observer, refusals, warned, undecoded };
}

function countsOf(device: string, rejected: DeviceCounts["rejected"]): DeviceCounts {
  const none = { received: 0, accepted: 0, waiting: 0, partlyLate: 0, conflicting: 0, openWindows: 0 };
  return { profile: "p", device, rejected, lastTimeMs: undefined, ...none };
}

function refusing(of: Partial<Refusing>): Refusing {
  return { counts: () => [], refused: { all: () => [] }, residency: { watch: undefined }, ...of };
}

describe("what is acknowledged and not kept", () => {
  it("is warned of by device and reason at once, then with its number when an hour has gone by", () => {
    const { clock, observer, warned, undecoded } = begin();
    for (let i = 0; i < 100; i++) undecoded("a");
    undecoded("a", "unidentified");
    undecoded("b");
    const first = { name: "readings-refused", profile: "p", detail: "no JSON", count: 1 };
    expect(warned()).toEqual([
      { ...first, device: "a", reason: "invalid" },
      { ...first, device: "a", reason: "unidentified" },
      { ...first, device: "b", reason: "invalid" },
    ]);
    clock.advance(HOUR);
    undecoded("a");
    expect(warned().slice(3)).toEqual([{ ...first, device: "a", reason: "invalid", count: 100 }]);
    // Each one is in the counters.
    expect(observer.named("reading-rejected").length).toBe(103);
  });

  it("is warned of by topic where no profile claims it, whatever the topic is", () => {
    const { refusals, observer, warned } = begin();
    refusals.unclaimed("local", "attic/1");
    refusals.unclaimed("local", "attic/1");
    refusals.unclaimed("local", "x".repeat(60_000));
    refusals.unclaimed("serial", undefined);
    expect(warned()).toEqual([
      { name: "topic-unclaimed", source: "local", topic: "attic/1", count: 1 },
      { name: "topic-unclaimed", source: "local", topic: "x".repeat(256), count: 1 },
    ]);
    expect(observer.named("payload-unmatched").length).toBe(4);
  });

  it("is bounded in kinds: who makes up topics fills neither the memory nor the log", () => {
    const { clock, refusals, warned } = begin();
    for (let i = 0; i < 5_000; i++) refusals.unclaimed("local", `t/${i}`);
    expect(warned().length).toBe(1_024);
    clock.advance(HOUR);
    refusals.unclaimed("local", "mine");
    expect(warned().at(-1)).toMatchObject({ topic: "mine" });
  });

  it("by the engine is warned of too, though not what an earlier life has refused, nor duplicates", () => {
    const { clock, refusals, warned } = begin();
    let counts = [countsOf("a", { future: 7 }), countsOf("b", {})];
    refusals.start(refusing({ counts: () => counts }));
    clock.advance(LOOK);
    expect(warned()).toEqual([]);
    counts = [countsOf("a", { future: 9, duplicate: 5 }), countsOf("b", { late: 1 })];
    clock.advance(LOOK);
    const first = { name: "readings-refused", profile: "p" };
    expect(warned()).toEqual([
      { ...first, device: "a", reason: "future", count: 2 },
      { ...first, device: "b", reason: "late", count: 1 },
    ]);
    clock.advance(LOOK);
    expect(warned().length).toBe(2);
    refusals.stop();
  });

  it("is not warned of where a broker's stored copy is no reading", () => {
    const { warned, undecoded } = begin();
    undecoded("a", "retained");
    expect(warned()).toEqual([]);
  });

  it("is warned of by name where there is no room for a device", () => {
    const { clock, refusals, warned } = begin();
    const engine = new Engine({ gateway: "gw", devicesMax: 1 });
    const profile = engineProfile();
    engine.addProfile(profile);
    const blocks = new BlockMaker(profile);
    const send = (device: string) => engine.apply(blocks.block([{ device, timeMs: 0, values: [1] }]));
    for (const device of ["first", "second", "third"]) send(device);
    // The life that the journal is of may have been killed before it told of the second and third.
    refusals.start(engine);
    for (const device of ["third", "third", "fourth"]) send(device);
    clock.advance(LOOK);
    const refused = warned().filter(({ name }) => name === "device-refused");
    expect(refused).toEqual([
      { name: "device-refused", profile: "p", device: "second", count: 1 },
      { name: "device-refused", profile: "p", device: "third", count: 3 },
      { name: "device-refused", profile: "p", device: "fourth", count: 1 },
    ]);
    expect(engine.counts().find(({ device }) => device === "?")?.rejected).toEqual({ overLimit: 5 });
    send("fifth");
    // There is no next look.
    refusals.stop();
    expect(warned().at(-1)).toEqual({ name: "device-refused", profile: "p", device: "fifth", count: 1 });
  });

  it("is not told again of a device that has left memory and come back", () => {
    const { clock, refusals, warned } = begin();
    const profile = engineProfile({ windows: [tumbling("1m", 60_000, [{ field: 0, names: ["count"] }])] });
    const stored = new SpillingEngine(profile, 0);
    refusals.start(stored.engine);
    const blocks = new BlockMaker(profile);
    const send = (timeMs: number) => {
      stored.apply(blocks.block([{ timeMs, values: [1] }]));
      stored.store();
    };
    for (const timeMs of [600_000, 0, 600_001, 600_002]) send(timeMs);
    expect(stored.engine.residency.stats()).toMatchObject({ devicesSpilled: 1, deviceLoads: 3 });
    clock.advance(LOOK);
    const first = { name: "readings-refused", profile: "p", device: "d", reason: "late" };
    expect(warned()).toEqual([{ ...first, count: 1 }]);
    refusals.stop();
  });
});
