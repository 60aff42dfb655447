/** Runs the tests that a profile carries: payloads, and the readings that they must give. */

import type { Diagnostic } from "../model/diagnostic.js";
import type { Field, Profile } from "../model/profile.js";
import { type FieldValue, isMissing } from "../model/reading.js";
import type { RejectReason } from "../model/reasons.js";
import { formatInstant } from "../model/time.js";
import { type ParsedDocument, parseDocument } from "../schema/document.js";
import type { Path } from "../schema/yaml.js";
import { timeZoneOf } from "./compile.js";
import { type ProfileDocument, profileSchema, type TestDocument } from "./schema.js";
import { compileTimeFormat } from "./time-format.js";
import { parseTopicPattern } from "./topic-pattern.js";

/** What a payload gave. */
interface Outcome {
  readonly device: string | undefined;
  readonly timeMs: number;
  readonly values: readonly FieldValue[];
  readonly key: string | undefined;
  readonly reject: RejectReason | undefined;
  readonly detail: string;
}

type Expected = Exclude<TestDocument["expect"], "ignored" | readonly unknown[]>;
type Fail = (path: Path, message: string, hint?: string) => void;

/** The one or the other is wrong, which only the author knows. */
const COMPARE = "correct the profile, or what the test expects";

const DEFAULT_ARRIVAL_MS = 1_768_392_000_000;

/** @returns one diagnostic per deviation, at the line of the expectation */
export function runProfileTests(profile: Profile): Diagnostic[] {
  const document = parseDocument(profile.source, { file: profile.file, schema: profileSchema });
  const diagnostics: Diagnostic[] = [];
  const tests = document.value?.tests ?? [];
  for (const [index, test] of tests.entries()) {
    const fail: Fail = (path, message, hint = COMPARE) => {
      const place = document.place(["tests", index, ...path]);
      const which = test.name === undefined ? "" : `${test.name}: `;
      const said = `${which}${message}`;
      diagnostics.push({ file: profile.file, ...place, code: "test-failed", message: said, hint });
    };
    runTest(profile, document, test, fail);
  }
  return diagnostics;
}

function runTest(
  profile: Profile,
  document: ParsedDocument<ProfileDocument>,
  test: TestDocument,
  fail: Fail,
): void {
  const zone = timeZoneOf(document.value!, profile.zone);
  const captures = capturesOf(profile, test);
  if (captures === undefined) {
    fail(
      ["topic"],
      `the topic ${test.topic} does not match`,
      `the profile's topics are ${profile.topics.join(", ")}`,
    );
    return;
  }
  const arrivalMs = test.arrival === undefined ? DEFAULT_ARRIVAL_MS : readTime(test.arrival, "UTC");
  if (Number.isNaN(arrivalMs)) {
    fail(["arrival"], `${test.arrival} is not a time`, "write RFC 3339, such as 2026-01-14T12:00:00Z");
    return;
  }
  const outcomes: Outcome[] = [];
  const claimed = profile.decode(
    test.payload,
    { captures, topic: test.topic, arrivalMs },
    collector(outcomes),
  );
  if (test.expect === "ignored") {
    if (claimed)
      fail(["expect"], "the payload is not ignored", "it is for the profile unless `where` is false");
    return;
  }
  if (!claimed) {
    fail(["expect"], "the payload is ignored", "`where` is false of it");
    return;
  }
  const list = Array.isArray(test.expect) ? test.expect : [test.expect];
  if (list.length !== outcomes.length) {
    fail(
      ["expect"],
      `expected ${list.length} readings, got ${outcomes.length}`,
      outcomes.map(show).join("; "),
    );
    return;
  }
  list.forEach((expected, index) => {
    const path = Array.isArray(test.expect) ? ["expect", index] : ["expect"];
    compare({ profile, zone, expected, outcome: outcomes[index]!, path, fail });
  });
}

function capturesOf(profile: Profile, test: TestDocument): Readonly<Record<string, string>> | undefined {
  if (test.topic === undefined) return test.device === undefined ? {} : { device: test.device };
  for (const pattern of profile.topics) {
    const captures = parseTopicPattern(pattern).match(test.topic);
    if (captures !== undefined) return captures;
  }
  return undefined;
}

function collector(outcomes: Outcome[]): Parameters<Profile["decode"]>[2] {
  return {
    reading: (device, timeMs, values, key) => {
      outcomes.push({ device, timeMs, values, key, reject: undefined, detail: "" });
    },
    reject: (device, reject, detail) => {
      outcomes.push({ device, timeMs: Number.NaN, values: [], key: undefined, reject, detail });
    },
  };
}

function show(outcome: Outcome): string {
  return outcome.reject === undefined
    ? `${outcome.device}`
    : `rejected as ${outcome.reject}: ${outcome.detail}`;
}

interface Comparison {
  readonly profile: Profile;
  readonly zone: string;
  readonly expected: Expected;
  readonly outcome: Outcome;
  readonly path: Path;
  readonly fail: Fail;
}

function compare({ profile, zone, expected, outcome, path, fail }: Comparison): void {
  if (expected.reject !== outcome.reject) {
    const wanted = expected.reject === undefined ? "a reading" : `a rejection as ${expected.reject}`;
    fail(path, `expected ${wanted}, got ${outcome.reject === undefined ? "a reading" : show(outcome)}`);
    return;
  }
  if (expected.device !== undefined && expected.device !== outcome.device) {
    fail([...path, "device"], `device is ${outcome.device}, not ${expected.device}`);
  }
  if (expected.key !== undefined && expected.key !== outcome.key) {
    fail([...path, "key"], `key is ${outcome.key}, not ${expected.key}`);
  }
  compareTime(expected.time, outcome.timeMs, zone, (message, hint) => fail([...path, "time"], message, hint));
  const values = computed(profile.fields, outcome.values);
  for (const [name, wanted] of Object.entries(expected.fields ?? {})) {
    const at = [...path, "fields", name];
    const index = profile.fields.findIndex((field) => field.name === name);
    if (index < 0) {
      fail(
        at,
        `there is no field ${name}`,
        `fields are ${profile.fields.map((field) => field.name).join(", ")}`,
      );
      continue;
    }
    const actual = display(profile.fields[index]!, values[index]);
    if (!sameValue(actual, wanted)) {
      fail(at, `${name} is ${JSON.stringify(actual)}, not ${JSON.stringify(wanted)}`);
    }
  }
}

function compareTime(
  wanted: string | undefined,
  actualMs: number,
  zone: string,
  fail: (message: string, hint?: string) => void,
): void {
  if (wanted === undefined) return;
  const actual = Number.isNaN(actualMs) ? "the arrival" : formatInstant(actualMs);
  if (wanted === "arrival") {
    if (!Number.isNaN(actualMs)) fail(`time is ${actual}, not the arrival`);
    return;
  }
  const wantedMs = readTime(wanted, zone);
  if (Number.isNaN(wantedMs)) fail(`${wanted} is not a time`, "write RFC 3339, with or without a zone");
  else if (wantedMs !== actualMs) fail(`time is ${actual}, not ${formatInstant(wantedMs)}`);
}

function readTime(text: string, zone: string): number {
  return compileTimeFormat("local-iso", zone)(text);
}

/** The values with the computed ones filled in, as the engine will after cleaning. */
function computed(fields: readonly Field[], read: readonly FieldValue[]): readonly FieldValue[] {
  const values = [...read];
  fields.forEach((field, index) => {
    if (field.compute !== undefined) values[index] = field.compute(values);
  });
  return values;
}

/** A value as people write it: truth values and an enum's names, null where it is missing. */
function display(field: Field, value: FieldValue | undefined): number | string | boolean | null {
  if (value === undefined || isMissing(value)) return null;
  if (field.type === "bool") return value === 1;
  return field.type === "enum" ? (field.values?.[value as number] ?? null) : value;
}

/** Numbers that arithmetic rounds are written by hand; a billionth does not matter. */
function sameValue(actual: unknown, wanted: unknown): boolean {
  if (typeof actual !== "number" || typeof wanted !== "number") return actual === wanted;
  return Math.abs(actual - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted));
}
