import { describe, expect, it } from "vitest";
import { wakeInTurn } from "../../../src/source/broker-connection.js";
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

describe("connections that were held back", () => {
  it("read in turn, so that the first ones cannot take all the room whenever there is some", () => {
    const { gate } = gateOf(2, Number.POSITIVE_INFINITY);
    const read: string[] = [];
    const greedy = (name: string) => ({
      wake: () => {
        read.push(name);
        gate.enter(1);
        return true;
      },
    });
    const connections = new Map(["a", "b", "c", "d", "e"].map((name) => [{}, greedy(name)]));
    for (let turn = 0; turn < 5; turn++) {
      wakeInTurn(connections, gate);
      for (let i = 0; i < 2; i++) gate.leave(1);
    }
    expect(read.join("")).toBe("abcdeabcde");
  });

  it("do not come back by that when they end while they read", () => {
    const { gate } = gateOf(2, Number.POSITIVE_INFINITY);
    const key = {};
    const connections = new Map([[key, { wake: () => connections.delete(key) }]]);
    wakeInTurn(connections, gate);
    expect(connections.size).toBe(0);
  });
});
