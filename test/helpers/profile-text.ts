import { expect } from "vitest";
import { formatDiagnostic } from "../../src/model/diagnostic.js";
import { loadProfile } from "../../src/profile/load.js";

/** What is loaded of a profile whose sections can be replaced line by line. */
export function loadChanged(
  changes: Readonly<Record<string, string>> = {},
  zone = "UTC",
): ReturnType<typeof loadProfile> {
  return loadProfile(textOf(changes), { file: "t", zone });
}

export function textOf(changes: Readonly<Record<string, string>>): string {
  const sections: Record<string, string> = {
    schema: "schema: device-profile/1",
    id: "id: t",
    version: "version: 1.0.0",
    match: 'match: { mqtt: { topics: ["t/{device}"] } }',
    decode: "decode: { format: json }",
    identity: "",
    time: "time: { from: /t, format: iso }",
    fields: "fields: { x: { from: /x, unit: Cel }, s: { from: /s, type: string } }",
    duplicates: "",
    clean: "",
    windows: 'windows: [{ name: 1m, tumbling: 1m, fields: { "*": [count, mean, last] } }]',
    ...changes,
  };
  return Object.values(sections).join("\n");
}

export const problems = (changes: Readonly<Record<string, string>>): string[] => {
  const { profile, diagnostics } = loadChanged(changes);
  expect(profile === undefined).toBe(diagnostics.length > 0);
  return diagnostics.map(formatDiagnostic);
};
