import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/model/limits.js";
import type { Profile } from "../../../src/model/profile.js";
import { loadProfile } from "../../../src/profile/load.js";
import { Router, topicFilters } from "../../../src/profile/match.js";
import { covers, parseTopicPattern } from "../../../src/profile/topic-pattern.js";
import { cases } from "../../helpers/cases.js";

function profile(id: string, topics: readonly string[], extra = ""): Profile {
  const text = `
schema: device-profile/1
id: ${id}
version: 1.0.0
match: { mqtt: { topics: ${JSON.stringify(topics)}${extra} } }
decode: { format: json }
identity: { from: /id }
fields: { x: { from: /x } }
windows: [{ name: 1m, tumbling: 1m, fields: { "*": [count] } }]
`;
  const { profile, diagnostics } = loadProfile(text, { file: "test", zone: "UTC" });
  expect(diagnostics).toEqual([]);
  return profile!;
}

/** What MQTT 3.1.1 section 4.7 says, level by level. */
function mqttMatches(filter: readonly string[], topic: readonly string[]): boolean {
  if (filter[0] === "#") return true;
  if (filter.length === 0 || topic.length === 0) return filter.length === topic.length;
  if (filter[0] !== "+" && filter[0] !== topic[0]) return false;
  return mqttMatches(filter.slice(1), topic.slice(1));
}

const level = fc.constantFrom("a", "b", "", "c");
const topics = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/"));
const filters = fc
  .tuple(fc.array(fc.constantFrom("a", "b", "", "+"), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, rest]) => [...levels, ...(rest ? ["#"] : [])].join("/"))
  .filter((filter) => filter !== "");

describe("topic patterns", () => {
  it("match as MQTT filters do", () => {
    fc.assert(
      fc.property(filters, topics, (filter, topic) => {
        const expected = mqttMatches(filter.split("/"), topic.split("/"));
        expect(parseTopicPattern(filter).match(topic) !== undefined).toBe(expected);
      }),
      cases(1_000),
    );
  });

  it("capture levels and the rest", () => {
    const pattern = parseTopicPattern("site/{site}/+/{path...}");
    expect(pattern.match("site/plant-1/x/a/b/c")).toEqual({ site: "plant-1", path: "a/b/c" });
    expect(pattern.match("site/plant-1/x")).toBeUndefined();
    expect(pattern.filter).toBe("site/+/+/#");
    expect(pattern.captures).toEqual(["site", "path"]);
  });

  it("do not take the broker's own topics for devices", () => {
    expect(parseTopicPattern("{device}/clients").match("$SYS/clients")).toBeUndefined();
    expect(parseTopicPattern("#").match("$SYS/clients")).toBeUndefined();
    expect(parseTopicPattern("$SYS/{what}").match("$SYS/clients")).toEqual({ what: "clients" });
  });

  it("give an object without surprises for a capture of any name", () => {
    const captures = parseTopicPattern("a/{constructor}").match("a/b")!;
    expect(captures.constructor).toBe("b");
  });

  it.each(["", "a/#/b", "a/b+", "a/{b", "a/{b}c", "a/{b...}/c", "{a}/{a}", "a/{1}", "a/{}", "x/".repeat(40)])(
    "refuse %j",
    (text) => {
      expect(() => parseTopicPattern(text)).toThrow(expect.objectContaining({ code: "bad-topic" }));
    },
  );
});

describe("routing", () => {
  it("asks the most specific pattern first, and of equals the one with a condition", () => {
    const wide = profile("wide", ["#"]);
    const level = profile("level", ["tele/{device}/SENSOR"]);
    const picky = profile("picky", ["tele/{device}/SENSOR"], ", where: has(msg.A)");
    const exact = profile("exact", ["tele/office/SENSOR"]);
    const rest = profile("rest", ["tele/{path...}"]);
    const router = new Router([wide, level, rest, picky, exact]);
    const ids = router.route("tele/office/SENSOR")!.candidates.map((candidate) => candidate.profile.id);
    expect(ids).toEqual(["exact", "picky", "level", "rest", "wide"]);
    expect(router.route("tele/attic/SENSOR")!.candidates[0]!.captures).toEqual({ device: "attic" });
  });

  it("does not depend on the order of the profiles", () => {
    const all = [profile("a", ["x/{device}"]), profile("b", ["x/{device}"]), profile("c", ["x/+"])];
    const ids = (list: readonly Profile[]): string[] =>
      new Router(list).route("x/1")!.candidates.map((candidate) => candidate.profile.id);
    expect(ids(all)).toEqual(ids([...all].reverse()));
  });

  it("asks a profile once, however many of its patterns match", () => {
    const router = new Router([profile("a", ["x/1", "x/{device}", "#"])]);
    expect(router.route("x/1")!.candidates).toHaveLength(1);
    expect(router.route("x/1")!.candidates[0]!.captures).toEqual({});
  });

  it("remembers topics that nobody wants, and forgets when somebody makes too many up", () => {
    const router = new Router([profile("a", ["x/{device}"])]);
    expect(router.route("y/1")).toBeUndefined();
    const first = router.route("x/1");
    expect(router.route("x/1")).toBe(first);
    for (let i = 0; i < LIMITS.routeCacheTopicsMax + 10; i += 1) router.route(`y/${i}`);
    expect(router.route("x/1")).not.toBe(first);
    expect(router.route("x/1")).toEqual(first);
  });

  it("understands a device's own word on whether it is there", () => {
    const status = ', status: { topic: "tele/{device}/LWT", online: Online, offline: Offline }';
    const router = new Router([profile("a", ["tele/{device}/SENSOR"], status)]);
    expect(router.routeStatus("tele/office/LWT", "Offline")).toMatchObject({
      status: "offline",
      captures: { device: "office" },
    });
    expect(router.routeStatus("tele/office/LWT", "Online")!.status).toBe("online");
    expect(router.routeStatus("tele/office/LWT", "offline")).toBeUndefined();
    expect(router.routeStatus("tele/office/STATE", "Offline")).toBeUndefined();
  });
});

describe("subscriptions", () => {
  it("covers means: every topic of the one is a topic of the other", () => {
    fc.assert(
      fc.property(filters, filters, topics, (a, b, topic) => {
        const in_ = (filter: string): boolean => mqttMatches(filter.split("/"), topic.split("/"));
        if (covers(a, b) && in_(b)) expect(in_(a)).toBe(true);
      }),
      cases(2_000),
    );
    expect(covers("a/#", "a/+/c")).toBe(true);
    expect(covers("a/+", "a/#")).toBe(false);
    expect(covers("#", "$SYS/x")).toBe(false);
  });

  it("bring everything once", () => {
    const status = ', status: { topic: "tele/{device}/LWT", online: On, offline: Off }';
    const list = [
      profile("a", ["tele/{device}/SENSOR", "stat/{device}/S"], status),
      profile("b", ["tele/{other}/SENSOR", "tele/office/SENSOR"]),
      profile("c", ["stat/{path...}"]),
    ];
    expect(topicFilters(list)).toEqual(["stat/#", "tele/+/LWT", "tele/+/SENSOR"]);
  });
});
