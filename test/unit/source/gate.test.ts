import { describe, expect, it } from "vitest";
import { Gate } from "../../../src/source/gate.js";

function gateOf(deliveriesMax: number, bytesMax: number) {
  let reopened = 0;
  const gate = new Gate({ deliveriesMax, bytesMax }, () => {
    reopened++;
  });
  return { gate, reopened: () => reopened };
}

describe("a gate", () => {
  it("tells whoever was refused when there is room again, though another one looks before that", () => {
    const { gate, reopened } = gateOf(Number.POSITIVE_INFINITY, 100);
    for (let i = 0; i < 10; i++) gate.enter(10);
    expect(gate.open).toBe(false);
    gate.leave(10);
    // Somebody else asks in between, with less than the bound waiting.
    expect(gate.open).toBe(false);
    expect(reopened()).toBe(0);
    for (let i = 0; i < 4; i++) gate.leave(10);
    expect(reopened()).toBe(1);
    expect(gate.open).toBe(true);
  });

  it("says once that there is room, at half of its bound", () => {
    const { gate, reopened } = gateOf(4, Number.POSITIVE_INFINITY);
    for (let i = 0; i < 4; i++) gate.enter(1);
    expect(gate.open).toBe(false);
    gate.leave(1);
    expect(reopened()).toBe(0);
    for (let i = 0; i < 3; i++) gate.leave(1);
    expect(reopened()).toBe(1);
  });

  it("says nothing to those who were never refused", () => {
    const { gate, reopened } = gateOf(4, 100);
    gate.enter(1);
    expect(gate.open).toBe(true);
    gate.leave(1);
    expect(reopened()).toBe(0);
  });
});
