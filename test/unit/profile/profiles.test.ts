import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../../../src/model/diagnostic.js";
import { loadProfile } from "../../../src/profile/load.js";
import { runProfileTests } from "../../../src/profile/test-runner.js";

const ROOT = join(import.meta.dirname, "../../..");
const folders = ["device-profiles", "test/profiles"];
const files = folders.flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => join(folder, file)),
);

/** Zones in which the tests of a profile must hold: they may not depend on where the gateway is. */
const ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu"];

describe("every profile that ships or that tests use", () => {
  it.each(files)("%s loads and passes its own tests in any zone", (file) => {
    const text = readFileSync(join(ROOT, file), "utf8");
    for (const zone of ZONES) {
      const { profile, diagnostics } = loadProfile(text, { file, zone });
      expect(diagnostics.map(formatDiagnostic)).toEqual([]);
      expect(runProfileTests(profile!).map(formatDiagnostic)).toEqual([]);
    }
  });

  it.each(files.filter((file) => file.startsWith("device-profiles")))(
    "%s has tests and says what it is for",
    (file) => {
      const text = readFileSync(join(ROOT, file), "utf8");
      expect(text).toMatch(/^# \S/);
      expect(text.split("- name:").length).toBeGreaterThan(2);
    },
  );
});

const BASE = `schema: device-profile/1
id: t
version: 1.0.0
match: { mqtt: { topics: ["t/{device}"], where: has(msg.x) } }
decode: { format: json }
time: { from: /t, format: local-iso, zone: gateway }
fields:
  x: { from: /x }
  on: { from: /on, type: bool }
  twice: { compute: x * 2 }
windows: [{ name: 1m, tumbling: 1m, fields: { "*": [count] } }]
tests:
`;

function failures(test: string): string[] {
  const { profile, diagnostics } = loadProfile(BASE + test, { file: "t.yaml", zone: "Europe/Berlin" });
  expect(diagnostics.map(formatDiagnostic)).toEqual([]);
  return runProfileTests(profile!).map(formatDiagnostic);
}

const payload = `'{"t":"2026-01-14T12:00:00","x":1.5,"on":true}'`;

describe("a test in a profile", () => {
  it("passes when everything named is so", () => {
    const expected = `{ device: a, time: "2026-01-14T11:00:00Z", fields: { x: 1.5, on: true, twice: 3 } }`;
    expect(failures(`  - { topic: t/a, payload: ${payload}, expect: ${expected} }`)).toEqual([]);
    const local = `[{ time: "2026-01-14T12:00:00" }]`;
    expect(failures(`  - { topic: t/a, payload: ${payload}, expect: ${local} }`)).toEqual([]);
  });

  it.each([
    ["{ device: b }", /device is a, not b/],
    ['{ time: "2026-01-14T12:00:00Z" }', /time is 2026-01-14T11:00:00Z/],
    ["{ time: arrival }", /not the arrival/],
    ["{ time: noon }", /noon is not a time/],
    ["{ fields: { x: 1.6 } }", /x is 1.5, not 1.6/],
    ["{ fields: { x: null } }", /x is 1.5, not null/],
    ["{ fields: { on: 1 } }", /on is true, not 1/],
    ["{ fields: { twice: 4 } }", /twice is 3, not 4/],
    ["{ fields: { y: 1 } }", /there is no field y/],
    ["{ reject: invalid }", /expected a rejection as invalid, got a reading/],
    ["[{}, {}]", /expected 2 readings, got 1/],
    ["ignored", /not ignored/],
    ["{ key: a }", /key is undefined/],
  ])("that expects %s fails at its own line", (expected, message) => {
    const found = failures(`  - topic: t/a\n    payload: ${payload}\n    expect: ${expected}`);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^t\.yaml:15:\d+ test-failed /);
    expect(found[0]).toMatch(message);
  });

  it("fails when the topic, the payload or the arrival are not for it", () => {
    expect(failures(`  - { topic: u/a, payload: ${payload}, expect: {} }`)[0]).toMatch(
      /13:\d+ .* does not match/,
    );
    expect(failures(`  - { topic: t/a, payload: '{}', expect: {} }`)[0]).toMatch(/is ignored/);
    expect(failures(`  - { topic: t/a, payload: '{', expect: {} }`)[0]).toMatch(/rejected as invalid/);
    expect(failures(`  - { topic: t/a, payload: ${payload}, arrival: soon, expect: {} }`)[0]).toMatch(/soon/);
  });
});
