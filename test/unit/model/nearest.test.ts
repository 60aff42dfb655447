import { describe, expect, it } from "vitest";
import { nearest } from "../../../src/model/nearest.js";

const COMMANDS = ["run", "check", "replay", "log", "help"];

describe("the nearest known word", () => {
  it("finds a word with a letter missing, added, replaced or swapped", () => {
    expect(nearest("chek", COMMANDS)).toBe("check");
    expect(nearest("replayy", COMMANDS)).toBe("replay");
    expect(nearest("hrlp", COMMANDS)).toBe("help");
    expect(nearest("rnu", COMMANDS)).toBe("run");
    expect(nearest("RUN", COMMANDS)).toBe("run");
  });

  it("finds what a word abbreviates or spells out, unless another is nearer", () => {
    expect(nearest("boolean", ["float", "int", "bool"])).toBe("bool");
    expect(nearest("temp", ["humidity", "temperature"])).toBe("temperature");
    expect(nearest("temp", ["temperature", "tempo"])).toBe("tempo");
    expect(nearest("te", ["temperature"])).toBeUndefined();
  });

  it("guesses nothing when nothing is close", () => {
    expect(nearest("compile", COMMANDS)).toBeUndefined();
    expect(nearest("", COMMANDS)).toBeUndefined();
    expect(nearest("x".repeat(100_000), ["x".repeat(100_001)])).toBeUndefined();
    expect(nearest("y", ["n"])).toBeUndefined();
  });
});
