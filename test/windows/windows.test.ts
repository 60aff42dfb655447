import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Summary } from "../../src/model/summary.js";
import { PAGES, pageText, tablesIn } from "../helpers/pages.js";
import { type Seeded, seeded } from "../helpers/seeded.js";
import { parseWindowTable, type TableReading, type WindowCase } from "../helpers/window-table.js";
import { groupsOf, type Played, play, playReadings, profileOf } from "./play.js";
import { deviations } from "./transcript.js";

/** README.md has the notation. Every case is played as written, with a restart after every step, and in other orders. */
const FOLDER = new URL(".", import.meta.url);
const TABLES = readdirSync(FOLDER).filter((each) => each.endsWith(".txt"));
const ORDERS = 8;
const dice = seeded("orders of window tables");

const texts = [
  ...TABLES.map((name) => [`test/windows/${name}`, readFileSync(new URL(name, FOLDER), "utf8")] as const),
  ...PAGES.map((name) => [name, tablesIn(pageText(name))] as const),
];

for (const [name, text] of texts) {
  const cases = parseWindowTable(text, name);
  describe(name.replace("test/windows/", ""), () => {
    it.each(cases.map((of) => [of.title, of] as const))("%s", (_, of) => {
      const played = play(of);
      mustBe(of, played, "");
      addUp(played);
      mustBe(of, play(of, true), "with a restart after every step: ");
      inOtherOrders(of, played, dice);
    });
  });
}

function mustBe(of: WindowCase, { said }: Played, how: string): void {
  const problem = deviations(of, said);
  if (problem !== undefined) throw new Error(`${how}${problem}`);
}

/** Nothing vanishes: every reading has become one thing. */
function addUp({ counts, sent }: Played): void {
  let received = 0;
  for (const { accepted, rejected, received: ofDevice } of counts) {
    expect(ofDevice).toBe(Object.values(rejected).reduce((a, b) => a + b, accepted));
    received += ofDevice;
  }
  expect(received).toBe(sent);
}

/**
 * The same readings in orders in which none of them is late for any window, each in a block of its own: the last word
 * on every window must be the same, to the byte. A reading that is overtaken only by what is later by at most the
 * out-of-orderness and the lateness is in time. That the table's own order has none that is late is seen from how it
 * was played; what depends on more than the set of readings is left out.
 */
function inOtherOrders(of: WindowCase, played: Played, { next }: Seeded): void {
  if (!of.shuffle || !dependsOnSetOnly(of, played)) return;
  const profile = profileOf(of);
  const patienceMs =
    profile.time.outOfOrdernessMs +
    Math.min(
      ...[profile, ...groupsOf(of)].flatMap(({ windows }) =>
        windows.map(({ allowedLatenessMs }) => allowedLatenessMs),
      ),
    );
  const readings = readingsOf(of);
  const pieceMs = patienceMs + 1;
  const orders: ((reading: TableReading) => number)[] = [
    // As far reversed as it may be: piece by piece of the patience's length, each backwards.
    ({ timeMs }) => Math.floor(timeMs / pieceMs) * 3 * pieceMs - timeMs,
  ];
  for (let i = 0; i < ORDERS; i++) orders.push(({ timeMs }) => timeMs + next() * patienceMs);
  const expected = lastWords(played);
  for (const order of orders) {
    const shuffled = readings.map((reading) => ({ reading, place: order(reading), tie: next() }));
    shuffled.sort((a, b) => a.place - b.place || a.tie - b.tie);
    const inOrder = shuffled.map(({ reading }) => reading);
    const other = playReadings(of, inOrder, played);
    const as = inOrder.map(({ time, device }) => `${time} @${device}`).join(", ");
    expect(lastWords(other), `${of.file}:${of.line} in the order ${as}`).toEqual(expected);
  }
}

function dependsOnSetOnly(of: WindowCase, { counts, groups, summaries }: Played): boolean {
  const { duplicates } = profileOf(of);
  if (duplicates.by !== "time" || duplicates.conflicting !== "keep") return false;
  if (of.steps.some(({ action }) => action.type === "reload")) return false;
  if (counts.some(({ rejected, partlyLate }) => rejected.late !== undefined || partlyLate > 0)) return false;
  if (groups.some(({ late }) => late > 0)) return false;
  // Time has begun anew: the arrivals tell when.
  if (summaries.some(({ id }) => /\/\d+$/.test(id))) return false;
  return readingsOf(of).every(({ timeMs }) => !Number.isNaN(timeMs));
}

function readingsOf(of: WindowCase): readonly TableReading[] {
  return of.steps.flatMap(({ action }) => (action.type === "readings" ? action.readings : []));
}

/** What the final revision of each window says, but for its number. Which windows were said too early is up to the order. */
function lastWords({ summaries }: Played): Readonly<Record<string, string>> {
  const finals = summaries
    .filter(({ final, retracted }) => final && retracted !== true)
    .map((summary): [string, string] => [summary.id, word(summary)]);
  expect(new Set(finals.map(([id]) => id)).size).toBe(finals.length);
  return Object.fromEntries(finals.sort());
}

function word({ window, fields, quality }: Summary): string {
  return JSON.stringify([window, fields, quality]);
}
