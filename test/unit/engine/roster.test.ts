import { expect, it } from "vitest";
import { Roster } from "../../../src/engine/roster.js";

const NAMES = 50_000;
/** Long ones, and some that take several bytes a character. */
const nameOf = (i: number) => (i % 100 === 0 ? `Fühler ${"ü".repeat(100)} ${i}` : `sensor-${i}`);
const facts = (i: number) => ({ wakeMs: i, aheadMs: 2 * i, mark: 3 * i });

it("knows every device that has left by its name, and none that came back, in some fifty bytes each", () => {
  const roster = new Roster();
  for (let i = 0; i < NAMES; i++) roster.leave(nameOf(i), facts(i));
  for (let i = 0; i < NAMES; i++) {
    const row = roster.find(nameOf(i));
    expect([roster.nameOf(row), roster.aheadMsOf(row), roster.markOf(row)]).toEqual([
      nameOf(i),
      2 * i,
      3 * i,
    ]);
    if (i % 3 === 0) roster.comeBack(row);
  }
  expect(roster.size).toBe(NAMES - Math.ceil(NAMES / 3));
  expect([roster.find(nameOf(0)), roster.find("nobody")]).toEqual([-1, -1]);
  expect([...roster.due(10)].map((row) => roster.nameOf(row))).toEqual([1, 2, 4, 5, 7, 8, 10].map(nameOf));
  roster.leave(nameOf(3), facts(3));
  expect(roster.nameOf(roster.find(nameOf(3)))).toBe(nameOf(3));
  expect([...roster.rows()].length).toBe(roster.size);
  expect(roster.bytes / NAMES).toBeLessThan(70);
});
