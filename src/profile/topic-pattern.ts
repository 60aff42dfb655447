/**
 * Topic patterns of profiles: MQTT filters (MQTT 3.1.1 section 4.7) in which `{name}` captures one level and
 * `{name...}` the rest, one level at least. `+` and `#` match as in MQTT and capture nothing.
 */

import { WeirError } from "../model/errors.js";

type Segment =
  | { readonly kind: "literal"; readonly text: string }
  /** `name` is undefined for + and #. */
  | { readonly kind: "level" | "rest"; readonly name: string | undefined };

export interface TopicPattern {
  readonly text: string;
  /** The MQTT filter that matches at least the same topics. */
  readonly filter: string;
  /** Names that a match captures. */
  readonly captures: readonly string[];
  /** Patterns with the smaller text are the more specific ones: literal before one level before the rest. */
  readonly rank: string;
  /** @returns the captures, or undefined where the topic does not match */
  match(topic: string): Readonly<Record<string, string>> | undefined;
}

const NO_CAPTURES: Readonly<Record<string, string>> = Object.freeze({});

/** MQTT's bound is 65,535 bytes; levels are bounded so that matching is. */
const LEVELS_MAX = 32;

/** @throws WeirError `bad-topic` */
export function parseTopicPattern(text: string): TopicPattern {
  if (text === "" || text.includes("\0"))
    throw bad(text, "it is empty", 'write a topic such as "tele/{device}/SENSOR"');
  const levels = text.split("/");
  if (levels.length > LEVELS_MAX)
    throw bad(text, `it has more than ${LEVELS_MAX} levels`, "{name...} or # takes all the rest");
  const segments = levels.map((level, index) => parseLevel(text, level, index === levels.length - 1));
  const captures = segments.flatMap((s) => (s.kind !== "literal" && s.name !== undefined ? [s.name] : []));
  if (new Set(captures).size < captures.length)
    throw bad(text, "a name occurs twice", "give each capture its own name, or write +");
  return {
    text,
    filter: segments.map(filterOf).join("/"),
    captures,
    rank: segments.map((s) => (s.kind === "literal" ? "0" : s.kind === "level" ? "1" : "2")).join(""),
    match: (topic) => matchSegments(segments, topic),
  };
}

function parseLevel(text: string, level: string, last: boolean): Segment {
  if (level === "+") return { kind: "level", name: undefined };
  if (level === "#") {
    if (!last) throw bad(text, '"#" is not at the end', "+ stands for one level");
    return { kind: "rest", name: undefined };
  }
  const capture = /^\{([A-Za-z][A-Za-z0-9_]*)(\.\.\.)?\}$/.exec(level);
  if (capture === null) {
    if (/[+#]/.test(level))
      throw bad(text, `"${level}" mixes a wildcard with text`, "a wildcard is a whole level");
    if (/[{}]/.test(level)) {
      throw bad(
        text,
        `"${level}" is not a capture`,
        "{name} or {name...} is a whole level, a name letters and digits",
      );
    }
    return { kind: "literal", text: level };
  }
  if (capture[2] === undefined) return { kind: "level", name: capture[1]! };
  if (!last) throw bad(text, `"${level}" is not at the end`, `only the last level may capture the rest`);
  return { kind: "rest", name: capture[1]! };
}

function bad(text: string, why: string, hint: string): WeirError {
  return new WeirError("bad-topic", `"${text}" is not a topic pattern: ${why}`, { hint });
}

function filterOf(segment: Segment): string {
  if (segment.kind === "literal") return segment.text;
  return segment.kind === "level" ? "+" : "#";
}

function matchSegments(
  segments: readonly Segment[],
  topic: string,
): Readonly<Record<string, string>> | undefined {
  // MQTT-4.7.2-1: a wildcard in front does not match the broker's own topics.
  if (topic.startsWith("$") && segments[0]!.kind !== "literal") return undefined;
  const levels = topic.split("/");
  const rest = segments.at(-1)!;
  if (rest.kind === "rest") {
    // "a/#" matches "a" as well; a capture needs something to capture.
    if (levels.length < segments.length - (rest.name === undefined ? 1 : 0)) return undefined;
  } else if (levels.length !== segments.length) return undefined;
  let captures: Record<string, string> | undefined;
  for (let i = 0; i < segments.length; i += 1) {
    const segment = segments[i]!;
    if (segment.kind === "literal") {
      if (levels[i] !== segment.text) return undefined;
    } else if (segment.name !== undefined) {
      captures ??= {};
      captures[segment.name] = segment.kind === "rest" ? levels.slice(i).join("/") : levels[i]!;
    }
  }
  return captures ?? NO_CAPTURES;
}

/** Whether every topic that filter `b` matches is matched by filter `a`. */
export function covers(a: string, b: string): boolean {
  const left = a.split("/");
  const right = b.split("/");
  // Wildcards in front do not match topics that begin with a dollar sign.
  if (right[0]!.startsWith("$") && (left[0] === "+" || left[0] === "#")) return false;
  for (let i = 0; i < left.length; i += 1) {
    if (left[i] === "#") return true;
    if (i >= right.length || right[i] === "#") return false;
    if (left[i] !== "+" && left[i] !== right[i]) return false;
  }
  return left.length === right.length;
}
