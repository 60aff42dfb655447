import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EngineProfile } from "../../../src/model/profile.js";
import { cases } from "../../helpers/cases.js";
import { ClockGateway } from "../../helpers/clock-gateway.js";
import { engineProfile, tumbling } from "../../helpers/engine.js";
import { newestOf } from "../../helpers/newest.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const YEAR = 365 * 24 * HOUR;
const sums = [{ field: 0, names: ["count", "sum"] }];

const STEPS = [5 * SECOND, -5 * SECOND, 2 * HOUR, -2 * HOUR, 20 * YEAR, 50 * YEAR, -50 * YEAR];
const act = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("read"), device: fc.constantFrom("a", "a", "m"), timed: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.constantFrom(1, 20 * SECOND, 90 * SECOND, 10 * MINUTE, 3 * HOUR) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("commit") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("step"), ms: fc.constantFrom(...STEPS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("set") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reboot"), ms: fc.constantFrom(SECOND, HOUR) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("restart") }) },
); // biome-ignore format: a table
type Act = { readonly do: string; readonly device?: string; readonly timed?: boolean; readonly ms?: number };

/** Device "a" has no event times, "m" some. */
function play(of: EngineProfile, acts: readonly Act[], restarts: boolean): ClockGateway {
  const gateway = new ClockGateway(of);
  for (const { do: what, device, timed, ms } of acts) {
    const { scene } = gateway;
    if (what === "read" && scene.readings.length < 50) scene.read(device!, device === "m" && timed === true);
    else if (what === "wait") scene.wait(ms!);
    else if (what === "commit") gateway.commit();
    else if (what === "step") scene.step(ms!);
    else if (what === "set") scene.set();
    else if (what === "reboot") {
      gateway.commit();
      scene.reboot(ms!);
    } else if (what === "restart" && restarts) gateway.restart();
  }
  gateway.commit();
  gateway.scene.set();
  gateway.commit();
  gateway.end();
  return gateway;
}

describe("whatever the clock does", () => {
  const anyProfile = fc
    .record({
      lateness: fc.constantFrom(0, 30 * SECOND, 3 * HOUR),
      outOfOrdernessMs: fc.constantFrom(0, 5 * SECOND),
      maxFutureMs: fc.constantFrom(0, MINUTE, Number.POSITIVE_INFINITY),
      idleTimeoutMs: fc.constantFrom(MINUTE, Number.POSITIVE_INFINITY),
    })
    .map(({ lateness, ...policy }) =>
      engineProfile({
        time: { ...policy, maxPastMs: Number.POSITIVE_INFINITY },
        windows: [
          tumbling("1m", MINUTE, sums, lateness),
          tumbling("7m", 7 * MINUTE, sums),
          { ...tumbling("day", 0, sums), kind: { type: "day", days: 1, zone: "Europe/Berlin" } },
        ],
      }),
    );

  it("every reading is counted, and every accepted one is in exactly one window of each name", () => {
    fc.assert(
      fc.property(anyProfile, fc.array(act, { maxLength: 80 }), (of, acts) => {
        const { engine, scene, summaries } = play(of, acts, true);
        const newest = newestOf(summaries);
        for (const counts of engine.counts()) {
          const sent = scene.readings.filter(({ device }) => device === counts.device);
          expect(counts.waiting).toBe(0);
          expect(counts.received).toBe(sent.length);
          if (counts.device === "a") expect(counts.rejected).toEqual({});
          const refused = Object.values(counts.rejected).reduce((sum, n) => sum + n, 0);
          expect(refused).toBeLessThanOrEqual(sent.filter(({ timed }) => timed).length);
          for (const name of ["1m", "7m", "day"]) {
            const of = [...newest.values()].filter(
              ({ device, window }) => device === counts.device && window.name === name,
            );
            expect(of.every(({ final }) => final)).toBe(true);
            const count = of.reduce((sum, { fields }) => sum + ((fields.x?.count as number) ?? 0), 0);
            expect(count).toBeLessThanOrEqual(counts.accepted);
            expect(count).toBeGreaterThanOrEqual(counts.accepted - counts.partlyLate);
            // Each value is a bit of its own: none is there twice.
            const bits = of.reduce((all, { fields }) => all + BigInt((fields.x?.sum as number) ?? 0), 0n);
            expect(bits.toString(2).replaceAll("0", "").length).toBe(count);
            if (counts.device === "a") expect(bits).toBe(2n ** BigInt(sent.length) - 1n);
          }
        }
      }),
      cases(),
    );
  });

  it("a process that dies and recovers says what one would have said that lived on", () => {
    fc.assert(
      fc.property(anyProfile, fc.array(act, { maxLength: 60 }), (of, acts) => {
        const lived = play(of, acts, false);
        const died = play(of, acts, true);
        expect(died.summaries.map((s) => JSON.stringify(s))).toEqual(
          lived.summaries.map((s) => JSON.stringify(s)),
        );
        expect(died.engine.counts()).toEqual(lived.engine.counts());
      }),
      cases(),
    );
  });
});
