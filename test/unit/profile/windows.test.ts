import { describe, expect, it } from "vitest";
import { problems } from "../../helpers/profile-text.js";

describe("a window of a profile", () => {
  it.each<[string, Readonly<Record<string, string>>, RegExp]>([
    [
      "with sliding windows that say early what they have",
      {
        windows:
          "windows: [{ name: a, sliding: { size: 1m, emit: x > 1.0 }, early: 10s, fields: { x: [max] } }]",
      },
      /bad-window .*"early" does not go with this window/,
    ],
    [
      "with a session that is shorter than its gap",
      { windows: "windows: [{ name: a, session: { gap: 2m, max: 1m }, fields: { x: [max] } }]" },
      /bad-window .*a session cannot be shorter than the gap/,
    ],
    [
      "that would be said early after its end",
      { windows: "windows: [{ name: a, tumbling: 1m, early: 2h, fields: { x: [max] } }]" },
      /bad-window "early" is longer than the window \(give less than 1m, or remove it\)/,
    ],
    [
      "that overlaps others and would be said early after its end",
      {
        windows: "windows: [{ name: a, hopping: { size: 1h, slide: 1m }, early: 2h, fields: { x: [max] } }]",
      },
      /bad-window "early" is longer than the window \(give less than 1h/,
    ],
    [
      "that coarser ones would cut in two",
      { windows: "windows: [{ name: a, tumbling: 1m, coarsen: [30s, 90s], fields: { x: [max] } }]" },
      /bad-ladder 90s is not a multiple of the window's size \(give multiples of 1m\)/,
    ],
  ])("%s is refused with a remedy", (_name, changes, expected) => {
    expect(problems(changes).join("\n")).toMatch(expected);
  });

  it("whose kind is mistyped is not told that what goes with the kind does not go with it", () => {
    const written =
      "{ name: a, tumbilng: 1d, zone: UTC, offset: 0d, partials: true, coarsen: never, empty: emit";
    const said = problems({ windows: `windows: [${written}, early: 1h, fields: { x: [max] } }]` });
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/unknown key "tumbilng".*did you mean "tumbling"\?/);
  });

  describe("with a reading in more windows than are kept", () => {
    const windows = (...hopping: readonly string[]) => ({
      windows: `windows: [${hopping.map((at, i) => `{ name: w${i}, hopping: ${at}, fields: { x: [max] } }`).join(", ")}]`,
    });
    const most = "{ size: 10000s, slide: 1s }";

    it("is refused with the sizes and slides that would do", () => {
      const place = /^t:\d+:\d+ bad-window a reading would be in 86400 of these windows; 10000 may be/;
      const [first, ...more] = problems(windows("{ size: 1d, slide: 1s }"));
      expect(more).toEqual([]);
      expect(first).toMatch(place);
      expect(first).toMatch(/\(give a size of at most 10000s, or a slide of at least 8640ms\)$/);
      expect(problems(windows(most))).toEqual([]);
      expect(problems(windows("{ size: 1d, slide: 8640ms }"))).toEqual([]);
      expect(problems(windows("{ size: 10000001ms, slide: 1s }"))).toHaveLength(1);
      expect(problems(windows("{ size: 1d, slide: 8639ms }"))).toHaveLength(1);
    });

    it("is refused for all of its windows together, not only for each of them", () => {
      const half = "{ size: 6000s, slide: 1s }";
      expect(problems(windows(half, half)).join("\n")).toMatch(
        /in 6000 of these windows beside 6000 of the windows before it; 10000 may be \(give a size of at most 4000s, or a slide of at least 1500ms\)/,
      );
      expect(problems(windows(half, "{ size: 4000s, slide: 1s }"))).toEqual([]);
      expect(problems(windows(most, half)).join("\n")).toMatch(/give the windows before it longer slides/);
    });

    it("is refused with the lateness that would do, where they stay open for so long", () => {
      const late = (window: string, time = "") => ({
        ...(time === "" ? {} : { time: `time: { ${time} }` }),
        windows: `windows: [{ name: s, ${window}, fields: { x: [max] } }]`,
      });
      const [first, ...more] = problems(late("tumbling: 1s, allowedLateness: 30d"));
      expect(more).toEqual([]);
      expect(first).toMatch(
        /:11:53 bad-window a device would have open at a time 2592006 of these windows; 20000 may be \(/,
      );
      expect(first).toMatch(/\(give an allowedLateness of at most 19994s, or longer windows\)$/);
      expect(problems(late("tumbling: 1s, allowedLateness: 19994s"))).toEqual([]);
      expect(problems(late("tumbling: 1s, allowedLateness: 19994001ms"))).toHaveLength(1);
      expect(problems(late("tumbling: 5s, allowedLateness: 1d"))).toEqual([]);
      expect(problems(late("hopping: { size: 1h, slide: 1s }, allowedLateness: 5h"))).toHaveLength(1);
      expect(problems(late("tumbling: 1s", "from: /t, format: iso, outOfOrderness: 30d")).join("\n")).toMatch(
        /\(give longer windows, or a shorter outOfOrderness\)/,
      );
      expect(
        problems({
          windows:
            "windows: [{ name: s, tumbling: 1s, allowedLateness: 19994s, fields: { x: [max] } }, { name: h, tumbling: 1h, fields: { x: [max] } }]",
        }).join("\n"),
      ).toMatch(
        /2 of these windows beside 20000 of .* \(give the windows before it a shorter allowedLateness, or /,
      );
      expect(problems(late("session: { gap: 1s }, allowedLateness: 30d"))).toEqual([]);
    });
  });
});
