/**
 * Rules of a profile that concern more than one section: names that must exist, expressions over other fields,
 * places that the format must be able to find. They run with the schema, even where some part is wrong already,
 * and therefore look at the type of everything they read.
 */

import { createDecoder } from "../decode/decoder.js";
import type { DecodeSpec } from "../decode/spec.js";
import { hintOf, messageOf } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import { nearest } from "../model/nearest.js";
import type { Problem, Unchecked } from "../schema/zod.js";
import { checkAggregates } from "./aggregate-requests.js";
import { enumNames } from "./coerce.js";
import { compileComputed, fieldVariables } from "./computed.js";
import { captureName } from "./record-path.js";
import { writtenType } from "./schema-fields.js";
import { parseTopicPattern, type TopicPattern } from "./topic-pattern.js";
import { compileFieldCondition, compileState, type NamedShape } from "./window-conditions.js";

type Report = (problem: Problem) => void;
type Path = readonly (string | number)[];

export function checkReferences(profile: Unchecked, report: Report): void {
  const fields = entriesOf(profile.fields);
  if (fields.length === 0 || fields.length > LIMITS.profileFieldsMax) {
    const message = `a profile has from 1 to ${LIMITS.profileFieldsMax} fields, not ${fields.length}`;
    const hint = fields.length === 0 ? "such as temperature: { from: /temp }" : "make several profiles";
    const path = profile.fields === undefined ? [] : ["fields"];
    report({ code: "bad-field", message, hint, path, at: "key", missing: ["fields"] });
  }
  const patterns = topicPatterns(profile);
  checkPaths(profile, patterns, report);
  checkIdentity(profile, patterns, report);
  checkComputed(fields, report);
  const known = new Map(fields);
  checkClean(profile, known, report);
  checkWindows(profile, known, report);
}

function entriesOf(value: unknown): [string, Unchecked][] {
  return isObject(value) ? Object.entries(value).map(([key, item]) => [key, isObject(item) ? item : {}]) : [];
}

function isObject(value: unknown): value is Unchecked {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}

/** @returns undefined where a topic is wrong, which its schema reports: what the topics capture is not known then */
function topicPatterns(profile: Unchecked): readonly TopicPattern[] | undefined {
  const mqtt = isObject(profile.match) && isObject(profile.match.mqtt) ? profile.match.mqtt : {};
  const topics = listOf(mqtt.topics);
  if (!isTexts(topics)) return undefined;
  try {
    return topics.map(parseTopicPattern);
  } catch {
    return undefined;
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** Every `from` must be a place that the payload's format can have. */
function checkPaths(profile: Unchecked, patterns: readonly TopicPattern[] | undefined, report: Report): void {
  const getter = pathCompiler(profile.decode);
  const check = (from: unknown, path: Path): void => {
    for (const [index, place] of listOf(from).entries()) {
      if (typeof place !== "string") continue;
      const at = Array.isArray(from) ? [...path, index] : path;
      const capture = captureName(place);
      if (capture !== undefined) checkCapture(capture, patterns, at, report);
      else if (getter !== undefined) attempt(() => getter(place), "bad-path", at, report);
    }
  };
  for (const [name, field] of entriesOf(profile.fields)) check(field.from, ["fields", name, "from"]);
  for (const section of ["identity", "time", "duplicates"]) {
    const content = profile[section];
    if (isObject(content)) check(content.from, [section, "from"]);
  }
}

function pathCompiler(decode: unknown): ((from: string) => unknown) | undefined {
  if (!isObject(decode)) return undefined;
  if (decode.columns !== undefined && !isTexts(decode.columns)) return undefined;
  try {
    const decoder = createDecoder(decode as unknown as DecodeSpec);
    return (from) => decoder.getter(from);
  } catch {
    // The section itself is wrong, which its schema has reported.
    return undefined;
  }
}

function attempt(action: () => unknown, code: string, path: Path, report: Report): void {
  try {
    action();
  } catch (error) {
    report({ code, message: messageOf(error), hint: hintOf(error), path });
  }
}

function checkCapture(
  name: string,
  patterns: readonly TopicPattern[] | undefined,
  path: Path,
  report: Report,
): void {
  if (patterns === undefined) return;
  if (patterns.length > 0 && patterns.every((pattern) => pattern.captures.includes(name))) return;
  const message = `the topics do not capture {${name}}`;
  const captured = [...new Set(patterns.flatMap((pattern) => pattern.captures))];
  const hint =
    captured.length === 0 ? `write {${name}} in the topics` : `they capture ${captured.join(", ")}`;
  report({ code: "bad-path", message, path, hint });
}

function checkIdentity(
  profile: Unchecked,
  patterns: readonly TopicPattern[] | undefined,
  report: Report,
): void {
  if (profile.identity !== undefined) return;
  const without = patterns?.find((pattern) => !pattern.captures.includes("device"));
  if (without === undefined) return;
  report({
    code: "no-identity",
    message: `the topic "${without.text}" does not say which device it is from`,
    path: ["match", "mqtt", "topics"],
    hint: "capture {device} in the topic, or add identity: { from: … }",
  });
}

function checkComputed(fields: readonly [string, Unchecked][], report: Report): void {
  const before: NamedShape[] = [];
  for (const [name, field] of fields) {
    const shape = shapeOf(name, field);
    // Nothing can be said of the expressions behind a field whose type is none.
    if (shape === undefined) return;
    const { compute } = field;
    if (typeof compute === "string" && compute.length > 0) {
      const path = ["fields", name, "compute"];
      attempt(() => compileComputed(compute, shape, fieldVariables(before)), "bad-expression", path, report);
    }
    before.push(shape);
  }
}

function checkClean(profile: Unchecked, fields: ReadonlyMap<string, Unchecked>, report: Report): void {
  for (const [index, rule] of listOf(profile.clean).entries()) {
    if (!isObject(rule)) continue;
    for (const [place, name] of listOf(rule.on).entries()) {
      if (typeof name !== "string") continue;
      const path = Array.isArray(rule.on) ? ["clean", index, "on", place] : ["clean", index, "on"];
      const field = fields.get(name);
      if (field === undefined) unknownField(name, fields, path, report);
      else if (typeof rule.outside === "string" && field[rule.outside] === undefined) {
        const message = `the field ${name} has no ${rule.outside}`;
        report({ code: "bad-clean", message, path, hint: `give it ${rule.outside}: [low, high]` });
      }
    }
  }
}

function unknownField(
  name: string,
  fields: ReadonlyMap<string, Unchecked>,
  path: Path,
  report: Report,
  at: "key" | "value" = "value",
): void {
  // A profile without fields is told to have none, at the place where they should be.
  if (fields.size === 0) return;
  const guess = nearest(name, fields.keys());
  const hint =
    guess === undefined ? `fields are ${[...fields.keys()].join(", ")}` : `did you mean "${guess}"?`;
  report({ code: "unknown-field", message: `there is no field ${name}`, path, at, hint });
}

function checkWindows(profile: Unchecked, fields: ReadonlyMap<string, Unchecked>, report: Report): void {
  const names = new Set<unknown>();
  const requestable = new Map(
    [...fields].map(([name, field]) => [
      name,
      { type: writtenType(field), names: namesOf(field), isCounter: field.kind === "counter" },
    ]),
  );
  const hasPeriod = isObject(profile.time) && profile.time.period !== undefined;
  for (const [index, window] of listOf(profile.windows).entries()) {
    if (!isObject(window)) continue;
    if (names.has(window.name)) {
      const message = `there are two windows named ${window.name}`;
      report({
        code: "duplicate-name",
        message,
        path: ["windows", index, "name"],
        hint: "rename one: the name is part of its summaries' ids",
      });
    }
    names.add(window.name);
    checkConditions(window, fields, ["windows", index], report);
    const requested = pairsOf(window.fields);
    const withoutFates = FOLDED.find((kind) => window[kind] !== undefined);
    if (isObject(window.fields) && requested.every(([, list]) => listOf(list).length === 0)) {
      const hint = 'fields: { "*": [count, mean] }';
      report({
        code: "bad-window",
        message: "a window needs fields",
        path: ["windows", index, "fields"],
        hint,
      });
    }
    for (const [name, list] of requested) {
      const path = ["windows", index, "fields", name];
      const field = fields.get(name);
      if (name !== "*" && field === undefined) unknownField(name, fields, path, report, "key");
      else {
        const request = { list: listOf(list), field: name === "*" ? undefined : name, path };
        checkAggregates(request, { fields: requestable, hasPeriod, withoutFates }, report);
      }
    }
  }
}

/** Kinds whose windows are made from readings that are already clean. */
const FOLDED = ["session", "count", "state", "sliding"] as const;

/** The expressions of a window. */
function checkConditions(
  { state, sliding }: Unchecked,
  fields: ReadonlyMap<string, Unchecked>,
  path: Path,
  report: Report,
): void {
  const shapes = [...fields].flatMap(([name, field]) => shapeOf(name, field) ?? []);
  if (shapes.length < fields.size) return;
  if (isObject(state) && typeof state.of === "string" && state.of !== "") {
    const { of } = state;
    attempt(() => compileState(of, shapes), "bad-expression", [...path, "state", "of"], report);
  }
  if (isObject(sliding) && typeof sliding.emit === "string" && sliding.emit !== "") {
    const { emit } = sliding;
    attempt(
      () => compileFieldCondition(emit, shapes),
      "bad-expression",
      [...path, "sliding", "emit"],
      report,
    );
  }
}

/** undefined where the field's type is none. */
function shapeOf(name: string, field: Unchecked): NamedShape | undefined {
  const type = writtenType(field);
  return type === undefined ? undefined : { name, type, names: namesOf(field) };
}

function namesOf(field: Unchecked): readonly string[] {
  const values = field.values as Parameters<typeof enumNames>[0];
  return isObject(values) || Array.isArray(values) ? enumNames(values) : [];
}

function pairsOf(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : [];
}
