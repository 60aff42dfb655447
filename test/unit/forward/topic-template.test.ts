import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compileTopic,
  STATUS_PLACEHOLDERS,
  topicFits,
  validateTopicTemplate,
} from "../../../src/forward/topic-template.js";
import { cases } from "../../helpers/cases.js";

const values = { site: "plant-1", gateway: "gw-7", profile: "tasmota", device: "boiler-3", window: "1m" };

describe("compileTopic", () => {
  it("puts every value in its place", () => {
    const topic = compileTopic("edge/{site}/{gateway}/{profile}/d/{device}/{window}");
    expect(topic(values)).toBe("edge/plant-1/gw-7/tasmota/d/boiler-3/1m");
  });

  it("lets no device name add a level, make a wildcard or look like an encoded one", () => {
    const topic = compileTopic("d/{device}/{window}");
    expect(topic({ ...values, device: "a/b+#\0%2F" })).toBe("d/a%2Fb%2B%23%00%252F/1m");
  });

  it("leaves letters of all languages as they are", () => {
    expect(compileTopic("d/{device}")({ device: "Kühlraum 温度" })).toBe("d/Kühlraum 温度");
  });

  it("never makes one of the broker's own topics", () => {
    expect(compileTopic("{device}/x")({ device: "$SYS" })).toBe("%24SYS/x");
  });

  it("gives different devices different topics, with the same number of levels", () => {
    const topic = compileTopic("d/{device}/{window}");
    const name = fc.oneof(
      fc.string({ unit: fc.constantFrom("/", "%", "2", "F", "+", "#", "a") }),
      fc.string({ unit: "grapheme" }),
    );
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(topic({ ...values, device: a }).split("/")).toHaveLength(3);
        expect(topic({ ...values, device: a })).not.toMatch(/[+#\0]/);
        if (a !== b) expect(topic({ ...values, device: a })).not.toBe(topic({ ...values, device: b }));
      }),
      cases(),
    );
  });

  it("stays within what MQTT can carry for the longest names", () => {
    const topic = compileTopic("edge/{site}/{gateway}/d/{device}/{window}");
    expect(topicFits(topic({ ...values, device: "/".repeat(128) }))).toBe(true);
    expect(topicFits("x".repeat(65_536))).toBe(false);
  });
});

describe("validateTopicTemplate", () => {
  it.each([
    ["", "not empty"],
    ["a/{devise}", "{devise} is not a placeholder"],
    ["a/{device", "no partner"],
    ["a/+/b", "wildcard"],
    ["a/#", "wildcard"],
    ["a/\0", "NUL"],
    ["$SYS/{device}", "belong to the broker"],
    ["x".repeat(2_000), "at most"],
  ])("says what is wrong with %j", (template, message) => {
    expect(validateTopicTemplate(template)).toContain(message);
  });

  it("knows that a status has no device", () => {
    expect(validateTopicTemplate("edge/{site}/{gateway}/status", STATUS_PLACEHOLDERS)).toBeUndefined();
    expect(validateTopicTemplate("edge/{device}", STATUS_PLACEHOLDERS)).toContain("{site} {gateway}");
  });

  it("lets no bad template become topics", () => {
    expect(() => compileTopic("#")).toThrow(expect.objectContaining({ code: "bad-topic" }));
  });
});
