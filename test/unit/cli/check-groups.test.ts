import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { command } from "../../../src/cli/check.js";
import { EXIT } from "../../../src/cli/command.js";
import { testIo } from "../../helpers/cli.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-check-groups-"));
  mkdirSync(join(folder, "device-profiles"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function profile(id: string, fields: string, more = ""): void {
  const text = [
    "schema: device-profile/1",
    `id: ${id}`,
    "version: 1.0.0",
    more,
    `match: { mqtt: { topics: ["${id}/{device}"] } }`,
    "decode: { format: json }",
    `fields: { ${fields} }`,
    'windows: [{ name: 1m, tumbling: 1m, fields: { "*": [count] } }]',
  ];
  writeFileSync(join(folder, "device-profiles", `${id}.yaml`), `${text.join("\n")}\n`);
}

const WINDOW = "tumbling: 1m, fields: { t: [count, mean] }";

/** What `weir check` says of a group: everything on line 3. */
async function check(members: string, window = WINDOW): Promise<{ lines: string[]; code: number }> {
  const path = join(folder, "weir.yaml");
  const group = `{ name: hall, members: ${members}, windows: [{ name: 1m, ${window} }] }`;
  writeFileSync(path, `gateway: { id: a }\nsources: [{ name: l, type: broker }]\ngroups: [${group}]\n`);
  const { io, written } = testIo();
  const code = await command.execute(["-c", path], io);
  return { lines: written.stdout.replaceAll(`${folder}/`, "").trimEnd().split("\n"), code };
}

async function refusal(members: string, window = WINDOW): Promise<string> {
  const { lines, code } = await check(members, window);
  expect(code).toBe(EXIT.usage);
  expect(lines.slice(1)).toEqual([expect.stringMatching(/: 1 problem$/)]);
  return lines[0]!;
}

const CELSIUS = "t: { from: /t, unit: Cel }";

describe("weir check of groups", () => {
  it("lists a group with the profiles that its members have", async () => {
    profile("a", CELSIUS, "tags: [climate]");
    profile("b", CELSIUS, "tags: [climate, roof]");
    profile("c", CELSIUS);
    const end = "1 config, 3 profiles: no problems";
    expect((await check("{}")).lines).toEqual(["group hall: all devices of a, b, c", end]);
    expect((await check("{ tags: [climate] }")).lines).toEqual(["group hall: all devices of a, b", end]);
    const some = '{ profiles: [b, c], devices: ["h-*", x] }';
    expect(await check(some)).toEqual({ lines: ["group hall: devices h-*, x of b, c", end], code: EXIT.ok });
  });

  it("leaves out profiles that have none of the fields", async () => {
    profile("a", CELSIUS);
    profile("b", "w: { from: /w, unit: W }");
    expect((await check("{}")).lines[0]).toBe("group hall: all devices of a");
  });

  it("says which profile has a field in another unit", async () => {
    profile("a", CELSIUS);
    profile("b", "t: { from: /t, unit: degF }");
    expect(await refusal("{}")).toMatch(
      /^weir\.yaml:3:\d+ unit-mismatch t is in degF in profile b, and in Cel in profile a \(convert/,
    );
    expect((await check("{ profiles: [a] }")).code).toBe(EXIT.ok);
  });

  it("says which profile has a field of another type, or with other values", async () => {
    profile("a", "t: { from: /t, type: string }");
    profile("b", "t: { from: /t }");
    const window = "tumbling: 1m, fields: { t: [count] }";
    expect(await refusal("{}", window)).toMatch(
      /type-mismatch t is a number in profile b, and of type string in profile a/,
    );
    profile("a", "t: { from: /t, type: enum, values: { 0: off, 1: on } }");
    profile("b", "t: { from: /t, type: enum, values: { 0: on, 1: off } }");
    expect(await refusal("{}", window)).toMatch(/type-mismatch t is one of on, off in profile b/);
  });

  it("says which profile has buckets that do not go together, where buckets are asked for", async () => {
    profile("a", "t: { from: /t, resolution: 0.1 }");
    profile("b", "t: { from: /t }");
    expect(await refusal("{}", "tumbling: 1m, fields: { t: [p95] }")).toMatch(
      /resolution-mismatch t has another resolution in profile b than in profile a/,
    );
    expect((await check("{}")).code).toBe(EXIT.ok);
  });

  it("refuses by name what follows the readings of one device", async () => {
    profile("a", `${CELSIUS}, e: { from: /e, kind: counter }`, "time: { period: 10s }");
    for (const name of ["timeAverage", "delta", "transitions", "total"]) {
      expect(await refusal("{}", `tumbling: 1m, fields: { t: [count, ${name}] }`)).toMatch(
        new RegExp(
          `bad-aggregate ${name} follows the values of one device in order.*window of the device profile`,
        ),
      );
    }
    expect(await refusal("{}", "tumbling: 1m, fields: { e: [increase] }")).toMatch(/increase follows/);
    expect(await refusal("{}", 'tumbling: 1m, fields: { "*": [delta] }')).toMatch(/delta follows/);
    expect(await refusal("{}", "tumbling: 1m, fields: { t: [completeness] }")).toMatch(
      /period of one device/,
    );
    for (const kind of ["session: { gap: 1m }", "count: { size: 5 }", "sliding: { size: 1m, emit: t }"]) {
      const word = kind.split(":")[0]!;
      const { lines } = await check("{}", `${kind}, fields: { t: [count] }`);
      expect(lines).toHaveLength(3);
      expect(lines[0]).toMatch(/a window needs a kind \(give one of tumbling, hopping, global\)/);
      expect(lines[1]).toMatch(
        new RegExp(`bad-window the bounds of ${word} windows follow from the readings of one device`),
      );
    }
  });

  it("takes windows that say early what they have and have no holes, where they can", async () => {
    profile("a", CELSIUS);
    const filled = "early: 10s, empty: emit, fill: linear, fields: { t: [count] }";
    expect((await check("{}", `tumbling: 1m, ${filled}`)).code).toBe(0);
    expect(await refusal("{}", "global: true, empty: emit, fields: { t: [count] }")).toMatch(
      /"empty" does not go with this window \(only tumbling and hopping windows are regular\)/,
    );
    expect(await refusal("{}", "tumbling: 1m, fill: 0, fields: { t: [count] }")).toMatch(
      /"fill" needs "empty: emit"/,
    );
  });

  it("says what partials and the gateway's zone are elsewhere", async () => {
    profile("a", CELSIUS);
    expect(await refusal("{}", "tumbling: 1m, partials: true, fields: { t: [count] }")).toMatch(
      /"partials" does not go with windows of groups \(.*weir merge --by all/,
    );
    expect(await refusal("{}", "tumbling: 1d, zone: gateway, fields: { t: [count] }")).toMatch(
      /"gateway" is not a known time zone \(write what gateway\.zone is: /,
    );
  });

  it("guesses what a wrong name was to be", async () => {
    profile("boiler", CELSIUS, "tags: [climate]");
    expect(await refusal("{ profiles: [boilre] }")).toMatch(/unknown-profile .*did you mean "boiler"\?/);
    expect(await refusal("{ tags: [climb] }")).toMatch(/no-members .*tags of the profiles are climate/);
    expect(await refusal("{}", "tumbling: 1m, fields: { tt: [count] }")).toMatch(
      /unknown-field .*did you mean "t"\?/,
    );
    expect(await refusal("{}", "tumbling: 1m, fields: { t: [men] }")).toMatch(
      /unknown-aggregate .*did you mean "mean"\?/,
    );
  });

  it("refuses more windows at a time than are kept, and names that mean two things", async () => {
    profile("a", CELSIUS);
    expect(await refusal("{}", "hopping: { size: 1d, slide: 10s }, fields: { t: [count] }")).toMatch(
      /bad-window 8640 windows would be open at a time; 500 may be \(give a slide of at least 172800ms\)/,
    );
    expect(await refusal("{}", "tumbling: 1m, allowedLateness: 1d, fields: { t: [count] }")).toMatch(
      /1441 windows would be open .*\(give an allowedLateness of at most 499m\)/,
    );
    const most = "hopping: { size: 1d, slide: 172800ms }, fields: { t: [count] }";
    expect((await check("{}", most)).code).toBe(EXIT.ok);
    profile("group", CELSIUS);
    const { lines, code } = await check("{}");
    expect(lines[0]).toMatch(/^device-profiles\/group\.yaml:1:1 reserved-id /);
    expect(code).toBe(EXIT.usage);
  });
});
