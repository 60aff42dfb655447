import { describe, expect, it } from "vitest";
import { Engine } from "../../../src/engine/engine.js";
import type { Redefining } from "../../../src/engine/profile-state.js";
import type { GroupDefinition } from "../../../src/model/group.js";
import { LIMITS } from "../../../src/model/limits.js";
import type { EngineProfile, Field } from "../../../src/model/profile.js";
import type { Summary } from "../../../src/model/summary.js";
import type { WindowDefinition } from "../../../src/model/window.js";
import {
  BlockMaker,
  engineProfile,
  field,
  groupedEngine,
  newEngine,
  restored,
  tumbling,
} from "../../helpers/engine.js";

const MINUTE = 60_000;
const stats = [{ field: 0, names: ["count", "sum"] }];
const before = engineProfile({
  windows: [tumbling("1m", MINUTE, stats), tumbling("1h", 60 * MINUTE, stats)],
});

describe("a change of definition", () => {
  it("lets windows that mean the same go on, with what they have and what they know of duplicates", () => {
    const engine = newEngine(before);
    engine.apply(new BlockMaker(before).block([{ timeMs: 10, values: [1] }]));
    const after = {
      ...before,
      hash: "hash-2",
      windows: [tumbling("5m", 5 * MINUTE, stats), before.windows[1]!],
    };
    const closed = engine.redefine({ profiles: [after] });
    expect(closed.map((s) => [s.window.name, s.final, s.reconfigured])).toEqual([["1m", true, true]]);
    const blocks = new BlockMaker(after, 1);
    engine.apply(
      blocks.block([
        { timeMs: 10, values: [1] },
        { timeMs: 20, values: [2] },
      ]),
    );
    const counts = engine.counts()[0]!;
    expect(counts).toMatchObject({ received: 3, accepted: 2, rejected: { duplicate: 1 } });
    const finals = Object.fromEntries(engine.flush().map((s) => [s.window.name, s.fields.x]));
    expect(finals).toEqual({ "1h": { count: 2, sum: 3 }, "5m": { count: 1, sum: 2 } });
  });

  it("uses no id after a lost state that the lost one may have used after a change", () => {
    const idsOf = (times: number) => {
      const losses = Array.from({ length: times }, () => ({
        throughMs: MINUTE,
        ahead: new Map<string, number>(),
      }));
      const engine = new Engine({ gateway: "gw", devicesMax: 10, losses });
      engine.addProfile(before);
      engine.apply(new BlockMaker(before).block([{ timeMs: 10, values: [1] }]));
      const after = { ...before, hash: "hash-2", fields: [field("x", { unit: "K" })] };
      const closed = engine.redefine({ profiles: [after] });
      engine.apply(new BlockMaker(after, 1).block([{ timeMs: 20, values: [1] }]));
      return [...closed, ...engine.flush()].flatMap(({ window, id, incomplete = false }) =>
        window.name === "1m" ? [[id.split("Z")[1], incomplete]] : [],
      );
    };
    expect([0, 1, 2].map(idsOf)).toEqual([
      [
        ["", false],
        ["/2", false],
      ],
      [
        ["/lost", true],
        ["/lost/2", true],
      ],
      [
        ["/lost2", true],
        ["/lost2/2", true],
      ],
    ]);
  });

  it.each([false, true])(
    "keeps the id of a session that was said, whatever else changes (stored meanwhile: %s)",
    (isStored) => {
      const session: WindowDefinition = {
        ...tumbling("gap", MINUTE, stats, 60 * MINUTE),
        kind: { type: "session", gapMs: MINUTE, maxMs: Number.POSITIVE_INFINITY },
      };
      // More names than are told apart for ever.
      const names = Array.from({ length: LIMITS.redefinedWindowsMax + 1 }, (_, i) => `w${i}`);
      const withSizes = (hash: string, sizeMs: number) => ({
        ...engineProfile({ windows: [session, ...names.map((name) => tumbling(name, sizeMs, stats))] }),
        hash,
      });
      const first = withSizes("hash-1", MINUTE);
      let engine = newEngine(first);
      const said = [
        ...engine.apply(
          new BlockMaker(first).block([0, 5 * MINUTE].map((timeMs) => ({ timeMs, values: [1] }))),
        ),
      ];
      const second = withSizes("hash-2", 2 * MINUTE);
      said.push(...engine.redefine({ profiles: [second] }));
      if (isStored) engine = restored(engine, second);
      said.push(
        ...engine.apply(new BlockMaker(second, 1).block([{ timeMs: 30_000, values: [2] }])),
        ...engine.flush(),
      );
      const sessions = said.filter(
        ({ window }) => window.name === "gap" && window.start === "1970-01-01T00:00:00Z",
      );
      expect(sessions.map(({ id, revision, final, fields }) => [id, revision, final, fields.x!.sum])).toEqual(
        [
          ["gw/p/d/gap/1970-01-01T00:00:00Z", 0, false, 1],
          ["gw/p/d/gap/1970-01-01T00:00:00Z", 1, false, 3],
          ["gw/p/d/gap/1970-01-01T00:00:00Z", 2, true, 3],
        ],
      );
    },
  );

  it("opens windows for late readings although later ones went on from the definition before", () => {
    const late = engineProfile({ windows: [tumbling("1m", MINUTE, stats, 60 * MINUTE)] });
    const engine = newEngine(late);
    engine.apply(new BlockMaker(late).block([{ timeMs: 2.5 * MINUTE, values: [1] }]));
    const after = { ...late, hash: "hash-2", fields: [field("x"), field("new")] };
    engine.redefine({ profiles: [after] });
    const blocks = new BlockMaker(after, 1);
    for (const timeMs of [0.5 * MINUTE, 1.5 * MINUTE])
      engine.apply(blocks.block([{ timeMs, values: [2, 0] }]));
    expect(engine.flush().map(({ window, fields }) => [Date.parse(window.start!), fields.x!.sum])).toEqual([
      [0, 2],
      [MINUTE, 2],
      [2 * MINUTE, 1],
    ]);
  });

  it("finds a field again by its name when others are put before it", () => {
    const engine = newEngine(before);
    engine.apply(new BlockMaker(before).block([{ timeMs: 10, values: [1.5] }]));
    const after = {
      ...before,
      hash: "hash-2",
      fields: [field("new"), field("x")],
      windows: before.windows.map((w) => ({ ...w, aggregates: [{ field: 1, names: ["count", "sum"] }] })),
    };
    expect(engine.redefine({ profiles: [after] })).toEqual([]);
    engine.apply(new BlockMaker(after, 1).block([{ timeMs: 20, values: [9, 2.5] }]));
    expect(engine.flush().map((s) => s.fields.x)).toEqual([
      { count: 2, sum: 4 },
      { count: 2, sum: 4 },
    ]);
  });

  it("closes windows whose field changed its unit: the numbers would not mean the same", () => {
    const engine = newEngine(before);
    engine.apply(new BlockMaker(before).block([{ timeMs: 10, values: [1] }]));
    const closed = engine.redefine({
      profiles: [{ ...before, hash: "hash-2", fields: [field("x", { unit: "K" })] }],
    });
    expect(closed).toHaveLength(2);
    expect(closed.every((s) => s.reconfigured === true)).toBe(true);
  });

  it("gives what comes of a closed window afterwards an id of its own, however often that happens", () => {
    const engine = newEngine(before);
    const one = (names: readonly string[], hash: string) => ({
      ...before,
      hash,
      windows: [tumbling("1m", MINUTE, [{ field: 0, names }], MINUTE)],
    });
    const definitions = [one(["count"], "h2"), one(["sum"], "h3"), one(["count"], "h4")];
    engine.apply(new BlockMaker(before).block([{ timeMs: 10, values: [1] }]));
    const ids: string[] = [];
    let sequence = 1;
    for (const [i, definition] of definitions.entries()) {
      ids.push(
        ...engine
          .redefine({ profiles: [definition] })
          .filter((s) => s.window.name === "1m")
          .map((s) => s.id),
      );
      // The second one is earlier than anything before it.
      engine.apply(new BlockMaker(definition, sequence++).block([{ timeMs: 20 - 5 * i, values: [1] }]));
    }
    ids.push(...engine.flush().map((s) => s.id));
    const start = "gw/p/d/1m/1970-01-01T00:00:00Z";
    expect(ids).toEqual([start, `${start}/2`, `${start}/3`, `${start}/4`]);
  });

  it("does not let a longer lateness bring back a window under the id it was final with", () => {
    const engine = newEngine(before);
    const finals = engine.apply(
      new BlockMaker(before).block([
        { timeMs: 10, values: [1] },
        { timeMs: 2 * MINUTE, values: [1] },
      ]),
    );
    expect(finals.map((s) => [s.id, s.final])).toEqual([["gw/p/d/1m/1970-01-01T00:00:00Z", true]]);
    const patient = { ...before, hash: "h2", windows: [tumbling("1m", MINUTE, stats, 10 * MINUTE)] };
    engine.redefine({ profiles: [patient] });
    const again = engine.apply(new BlockMaker(patient, 1).block([{ timeMs: 20, values: [1] }]));
    expect(again.map((s) => s.id)).toEqual(["gw/p/d/1m/1970-01-01T00:00:00Z/2"]);
  });

  it("keeps the counts of the devices of a profile that is gone", () => {
    const engine = newEngine(before);
    engine.apply(new BlockMaker(before).block([{ timeMs: 10, values: [1] }]));
    expect(engine.redefine({ retired: ["p"] })).toHaveLength(2);
    expect(engine.counts()[0]).toMatchObject({ received: 1, accepted: 1, openWindows: 0 });
    expect(engine.profileState("p")!.devices.get("d")!.retired).toEqual([]);
  });
});

describe("a group over several profiles", () => {
  const profile = (
    id: string,
    names: readonly string[],
    hash = `hash-${id}`,
    x?: Partial<Field>,
  ): EngineProfile => {
    const fields = names.map((name) => field(name, name === "x" ? x : {}));
    return engineProfile({ id, hash, fields, windows: [] });
  };
  const windows: GroupDefinition["windows"] = [
    {
      name: "1h",
      kind: { type: "tumbling", sizeMs: 3_600_000, offsetMs: 0 },
      allowedLatenessMs: 0,
      fields: { "*": ["count", "sum"] },
    },
  ];

  it.each<[string, Redefining, number, (readonly EngineProfile[])?]>([
    ["a profile gets another field", { profiles: [profile("p", ["x", "y"], "hash-p2")] }, 2],
    [
      "a profile gets a field that another one has",
      { profiles: [profile("q", ["x", "y"], "hash-q2")] },
      2,
      [profile("p", ["x", "y"]), profile("q", ["x"])],
    ],
    ["a field gets another type", { profiles: [profile("q", ["x"], "hash-q2", { type: "int" })] }, 2],
    ["a profile with a field of its own comes up", { profiles: [profile("r", ["y"])] }, 2],
    ["a profile goes", { retired: ["q"] }, 1],
    ["a member leaves", { groups: [{ name: "all", members: { devices: ["a"] }, windows }] }, 1],
  ])(
    "has what its members say in one of two parts, and nothing late, where %s",
    (_, change, left, before = [profile("p", ["x"]), profile("q", ["x"])]) => {
      const engine = groupedEngine(before, [{ name: "all", members: {}, windows }]);
      const blocks = new BlockMaker(before[0]!);
      const after = before.flatMap((each) =>
        change.retired?.includes(each.id)
          ? []
          : ((change.profiles ?? []).find(({ id }) => id === each.id) ?? each),
      );
      const send = (timeMs: number, profiles: readonly EngineProfile[] = after) => {
        const readings = profiles.map(({ id, hash, fields }) => {
          const [device, value] = id === "p" ? ["a", 1] : ["b", 100];
          return { profile: hash, device, timeMs, values: fields.map(() => value) };
        });
        engine.apply(blocks.block(readings));
      };
      const said = (summaries: readonly Summary[]) =>
        summaries.map(({ id, fields, members }) => [
          id.slice("gw/group/all/1h/1970-01-01T00:00:00Z".length),
          fields.x,
          members?.count,
        ]);
      send(1_000, before);
      expect(said(engine.redefine(change))).toEqual([["", { count: 2, sum: 101 }, 2]]);
      for (let second = 2; second < 11; second++) send(1_000 * second);
      const rest = left === 2 ? { count: 18, sum: 909 } : { count: 9, sum: 9 };
      expect(said(engine.flush())).toEqual([["/2", rest, left]]);
      expect(engine.groups.counts().map(({ late }) => late)).toEqual([0]);
    },
  );
});
