import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { partAfter, type Redefinition, redefine } from "../../../src/engine/redefinition.js";
import { LIMITS } from "../../../src/model/limits.js";
import { cases } from "../../helpers/cases.js";

const names = Array.from({ length: 2 * LIMITS.redefinedWindowsMax }, (_, i) => `w${i}`);
const change = fc.record({
  /** So many names, from this one on. */
  from: fc.nat({ max: names.length - 1 }),
  count: fc.integer({ min: 1, max: 60 }),
  throughMs: fc.nat({ max: 1_000 }),
});

describe("changes of definitions", () => {
  it("never give a window a part again that it may have been emitted under, however many and whichever come between", () => {
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 40 }),
        fc.nat({ max: 1_000 }),
        (changes, startMs) => {
          let redefined: readonly Redefinition[] = [];
          /** Highest part that the window of each name may have been emitted under. */
          const emitted = new Map<string, number>();
          for (const { from, count, throughMs } of changes) {
            const changed = names.slice(from, from + count);
            // Of these windows, those that begin by then may have been emitted under the part that was next.
            if (startMs <= throughMs)
              for (const name of changed) emitted.set(name, partAfter(redefined, name, startMs));
            redefined = redefine(redefined, changed, throughMs);
            const again = [...emitted].filter(([name, part]) => partAfter(redefined, name, startMs) <= part);
            expect(again).toEqual([]);
          }
          expect(redefined.length).toBeLessThanOrEqual(
            (LIMITS.redefinedWindowsMax + 1) * LIMITS.redefinitionsPerWindowMax,
          );
        },
      ),
      cases(),
    );
  });

  it("leave windows alone that begin behind all of them", () => {
    let redefined: readonly Redefinition[] = [];
    for (let i = 0; i < names.length; i += 32) redefined = redefine(redefined, names.slice(i, i + 32), 500);
    for (const name of [...names, "another"]) expect(partAfter(redefined, name, 501)).toBe(1);
  });
});
