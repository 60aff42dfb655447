import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DeliveryMemory } from "../../../src/engine/memory.js";
import { LIMITS } from "../../../src/model/limits.js";
import { cases } from "../../helpers/cases.js";

const { deliveriesPerDeviceMax, deliveriesPerDeviceKept, deliveriesKeptMs } = LIMITS;

function filled(count: number, atMs: number): DeliveryMemory {
  const memory = new DeliveryMemory();
  for (let i = 1; i <= count; i++) memory.seen(i, atMs);
  return memory;
}

describe("the memory of packets", () => {
  it("knows everything of a connection again, however much of it was in flight", () => {
    const memory = filled(deliveriesPerDeviceMax, 0);
    const unknown = [];
    for (let i = 1; i <= deliveriesPerDeviceMax; i++) if (!memory.seen(-i, 1_000)) unknown.push(i);
    expect(unknown).toEqual([]);
  });

  it("does not take a packet for another one just because the identifier is used again", () => {
    expect(filled(3, 0).seen(2, 1)).toBe(false);
    expect(filled(3, 0).seen(-4, 1)).toBe(false);
  });

  it("keeps the last ones of a device that was away for long", () => {
    const memory = filled(deliveriesPerDeviceKept, 0);
    expect(memory.seen(-1, 1e12)).toBe(true);
    expect(memory.seen(-deliveriesPerDeviceKept, 1e12)).toBe(true);
  });

  it("is bounded, and small again when the flood is over", () => {
    const memory = filled(3 * deliveriesPerDeviceMax, 0);
    expect(memory.size).toBe(deliveriesPerDeviceMax);
    memory.seen(1, deliveriesKeptMs + 10_000);
    expect(memory.size).toBe(deliveriesPerDeviceKept);
  });

  it("goes on from its stored form as if nothing had happened, forgetting only what is old and too much", () => {
    const step = fc.record({
      identity: fc.integer({ min: 1, max: 3_000 }),
      dup: fc.boolean(),
      waitMs: fc.constantFrom(0, 0, 0, 1, 500, 30_000),
      burst: fc.constantFrom(1, 1, 50, 700),
      stored: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let memory = new DeliveryMemory();
        const told = new Map<number, { readonly number: number; readonly atMs: number }>();
        let count = 0;
        let nowMs = 0;
        for (const { identity, dup, waitMs, burst, stored } of steps) {
          nowMs += waitMs;
          for (let i = 0; i < burst; i++) {
            const plain = identity + i;
            const seen = memory.seen(dup ? -plain : plain, nowMs);
            const last = told.get(plain);
            const fresh =
              last !== undefined &&
              (count - last.number <= deliveriesPerDeviceKept || nowMs - last.atMs < deliveriesKeptMs);
            if (dup && fresh && !seen) throw new Error(`${plain} is forgotten`);
            if (seen && (!dup || last === undefined)) throw new Error(`${plain} was never here`);
            if (!seen) told.set(plain, { number: count++, atMs: nowMs });
          }
          if (stored) memory = DeliveryMemory.of(structuredClone(memory.entries()));
        }
      }),
      cases(30),
    );
  });

  it("answers the same after it was stored", () => {
    const [live, stored] = [filled(5_000, 0), DeliveryMemory.of(filled(5_000, 0).entries())];
    for (const nowMs of [10_000, 50_000, 69_999, 70_000, 90_000]) {
      for (const identity of [-1, -2_000, -4_999, 6_000 + nowMs]) {
        expect(stored.seen(identity, nowMs)).toBe(live.seen(identity, nowMs));
      }
      expect(stored.entries()).toEqual(live.entries());
    }
  });
});
