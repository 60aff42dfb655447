import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, type Summary } from "../../../src/model/summary.js";
import { cases } from "../../helpers/cases.js";

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.constantFrom("boiler-3", 'a"b', "back\\slash", "\ud800", "\u{1f600}", "\u2028", "\u007f\u0085", ""),
);
const scalar = fc.oneof(fc.double(), fc.constantFrom(-0, 0.1 + 0.2, 1e21, 5e-324), text, fc.constant(null));
const window = fc.oneof(
  fc.record({ name: text, kind: text }),
  fc.record({
    name: text,
    kind: text,
    start: fc.constantFrom("2026-01-14T12:00:00Z", "0000-12-31T00:00:00Z"),
    end: fc.constantFrom("2026-01-14T12:01:00.500Z", "+010000-01-01T00:00:00Z"),
  }),
);
/** Keys in the order of the interface, which is the order of its JSON. */
const summary: fc.Arbitrary<Summary> = fc
  .tuple(fc.record({ id: text, revision: fc.nat(), final: fc.boolean() }), fc.boolean())
  .chain(([head, reconfigured]) =>
    fc
      .record({
        gateway: fc.constantFrom("gw-7", 'g"'),
        device: fc.oneof(fc.constant("boiler-3"), text),
        profile: fc.constantFrom("p@1", "p@2"),
        window,
        fields: fc.dictionary(text, fc.dictionary(text, scalar), { maxKeys: 3, noNullPrototype: true }),
        quality: fc.constantFrom(
          { received: 3, accepted: 3 },
          { received: 3, accepted: 1, fields: { x: { clamped: 1 } }, late: 2 },
        ),
      })
      .map((rest) => ({ ...head, ...(reconfigured ? { reconfigured: true as const } : {}), ...rest })),
  );

describe("canonical JSON", () => {
  it("is what JSON.stringify gives, whatever came before", () => {
    fc.assert(
      fc.property(fc.array(summary, { maxLength: 6 }), (summaries) => {
        for (const each of summaries) expect(canonicalJson(each)).toBe(JSON.stringify(each));
      }),
      cases(),
    );
  });
});
