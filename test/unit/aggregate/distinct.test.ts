import { describe, expect, it } from "vitest";
import { findAggregate } from "../../../src/aggregate/catalog.js";
import { newCells } from "../../../src/aggregate/cells.js";
import { distinctAccumulator } from "../../../src/aggregate/distinct.js";
import { hash53 } from "../../../src/aggregate/hash53.js";
import { tallyAccumulator } from "../../../src/aggregate/tally.js";
import type { FieldValue } from "../../../src/model/reading.js";

function inputsOf(values: Iterable<FieldValue>) {
  const at = { distinct: 0, tally: 1 };
  const cells = newCells(2);
  for (const value of values) {
    distinctAccumulator.add(cells, at.distinct, { timeMs: 0, values: [value] }, 0);
    tallyAccumulator.add(cells, at.tally, { timeMs: 0, values: [value] }, 0);
  }
  return { cells, at, field: { values: undefined }, window: undefined, accepted: 0, doubtful: 0 };
}

const resultOf = (name: string, values: Iterable<FieldValue>) =>
  findAggregate(name)!.result(inputsOf(values));

function* upTo(count: number, make: (i: number) => FieldValue) {
  for (let i = 0; i < count; i++) yield make(i);
}

describe("a distinct count", () => {
  it("is exact up to 256 values, however often they come", () => {
    for (const count of [1, 2, 255, 256]) {
      expect(
        resultOf(
          "distinct",
          upTo(5 * count, (i) => (i % count) / 10),
        ),
      ).toBe(count);
      expect(
        resultOf(
          "distinct",
          upTo(5 * count, (i) => `card ${i % count}`),
        ),
      ).toBe(count);
    }
    expect(resultOf("distinct", [0, -0])).toBe(1);
  });

  it("takes no more room than 256 hashes, and then that of the registers", () => {
    const saved = (count: number) => distinctAccumulator.save(inputsOf(upTo(count, (i) => i)).cells, 0);
    expect(saved(256)).toHaveLength(256);
    expect(saved(257)).toEqual([expect.stringMatching(/^[0-Z]{4096}$/)]);
  });

  it.each([300, 2_000, 12_000, 50_000])("of %d values has the standard error that it promises", (count) => {
    const sets = 24;
    let squares = 0;
    for (let set = 0; set < sets; set++) {
      const make = (i: number) => (set % 2 === 0 ? set * 1e6 + i / 100 : `${set}:${i}`);
      const estimate = resultOf("distinct", upTo(count, make)) as number;
      squares += ((estimate - count) / count) ** 2;
    }
    // 24 sets tell a standard error to within 30 %, two standard deviations of its own.
    expect(Math.sqrt(squares / sets)).toBeLessThan((1.04 / 64) * 1.3);
  });
});

describe("the hash of a value", () => {
  it("is the same for ever, because states that are stored have it in them", () => {
    expect([0, -0, 1, 21.4, "", "on", "naïve", "😀"].map(hash53)).toEqual([
      7956156453446585, 7956156453446585, 4814728861286013, 3680922507455144, 7956156453446585,
      6303044531780962, 3943776950831337, 6192802054289293,
    ]); // biome-ignore format: a list
    // What SplitMix64 gives first from 0.
    expect(hash53(0)).toBe(Number(0xe220a8397b1dcdafn >> 11n));
  });

  it("differs between texts that have much in common", () => {
    const texts = ["", "\0", "\0\0", "a", "a\0", "\0a", "ab", "ba", "abcd", "abcda", "aabcd", "dcba"];
    expect(new Set(texts.map(hash53)).size).toBe(texts.length);
  });
});

describe("counts by value", () => {
  it("are null, and so is the mode, when there are more different values than are counted", () => {
    expect(
      resultOf(
        "mode",
        upTo(512, (i) => i % 256),
      ),
    ).toBe(0);
    expect(
      Object.keys(
        resultOf(
          "counts",
          upTo(512, (i) => i % 256),
        ) as object,
      ),
    ).toHaveLength(256);
    expect(
      resultOf(
        "mode",
        upTo(257, (i) => i),
      ),
    ).toBe(null);
    expect(
      resultOf(
        "counts",
        upTo(257, (i) => i),
      ),
    ).toBe(null);
  });

  it("list values by size, and name the smallest of those that are most frequent", () => {
    expect(JSON.stringify(resultOf("counts", [3, -1, 3, 10, -1]))).toBe('{"3":2,"10":1,"-1":2}');
    expect(resultOf("mode", [3, -1, 3, 10, -1])).toBe(-1);
    expect(resultOf("mode", ["b", "a", "b", "a", "c"])).toBe("a");
    expect(JSON.stringify(resultOf("counts", ["__proto__", "b", "a", "b"]))).toBe(
      '{"__proto__":1,"a":1,"b":2}',
    );
  });
});
