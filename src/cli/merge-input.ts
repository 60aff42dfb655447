import { sourceName } from "../aggregate/merge.js";
import { areSavedStates } from "../aggregate/saved-state.js";
import { messageOf, WeirError } from "../model/errors.js";
import { isOfGroup } from "../model/group.js";
import type { Summary } from "../model/summary.js";
import { PARTIALS_VERSION, type SummaryPartials } from "../model/summary-partials.js";
import { openRecording } from "../source/file.js";

/** What `weir merge` reads: summaries as JSON lines, of which each is known by its file and line. */

/** A histogram, or counts by value, of every field of a wide profile has room in it. */
const LINE_BYTES_MAX = 16_777_216;

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** A summary with everything that merging needs. */
export interface MergeLine extends Place {
  readonly text: string;
  readonly summary: Summary & { readonly partials: SummaryPartials };
}

export function at({ file, line }: Place): string {
  return `${file === "-" ? "standard input" : file}:${line}`;
}

/** An input that cannot be merged, with where it is and what can be done. */
export function refused(place: Place, message: string, hint?: string): WeirError {
  return new WeirError("unmergeable", `${at(place)}: ${message}`, hint === undefined ? {} : { hint });
}

export interface InputOptions {
  /** Whether summaries of a window are wanted, by the name that its profile gives it. */
  readonly takes: (window: string) => boolean;
  /** Told of each summary of a group: it has no partials, and what its members say is there by itself. */
  readonly ofGroup: () => void;
  readonly stdin: AsyncIterable<Uint8Array>;
}

/** The summaries of a file that are to be merged. @throws WeirError */
export async function* readMergeLines(file: string, options: InputOptions): AsyncGenerator<MergeLine> {
  const recording = await openRecording({
    path: file,
    encoding: "utf-8",
    lineBytesMax: LINE_BYTES_MAX,
    keepEmpty: true,
    stdin: options.stdin,
  });
  let line = 0;
  for await (const batch of recording.batches()) {
    for (const text of batch) {
      const place = { file, line: ++line };
      if (text === "") continue;
      if (typeof text !== "string") {
        throw refused(place, "the line is no text, or too long to be a summary", CUT);
      }
      const summary = parseSummary(text, place);
      if (isOfGroup(summary)) {
        options.ofGroup();
        continue;
      }
      if (!options.takes(sourceName(summary))) continue;
      const read = mergeLine(summary, { ...place, text });
      checkStates(read, place);
      yield read;
    }
  }
}

const CUT = "give files of JSON lines as a file target or weir log writes them";

/** @throws WeirError when it is not a summary */
function parseSummary(text: string, place: Place): Summary {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refused(place, `the line is not JSON: ${messageOf(error)}`, CUT);
  }
  if (!isSummary(value)) throw refused(place, "the line is not a summary", CUT);
  return value;
}

type Unchecked = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Unchecked {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSummary(value: unknown): value is Summary {
  if (!isObject(value)) return false;
  const { window, fields, quality, revision, filled = [] } = value;
  const texts = ["id", "gateway", "device", "profile"].every((key) => typeof value[key] === "string");
  if (!texts || !Number.isInteger(revision) || !isObject(window) || !isObject(fields)) return false;
  const bounds = [window.start, window.end];
  return (
    typeof window.name === "string" &&
    typeof window.kind === "string" &&
    bounds.every((each) => each === undefined || !Number.isNaN(Date.parse(String(each)))) &&
    Array.isArray(filled) &&
    Object.values(fields).every(isObject) &&
    isObject(quality)
  );
}

function mergeLine(summary: Summary, line: Omit<MergeLine, "summary">): MergeLine {
  const { partials } = summary;
  // What was taken back has nothing to be merged; it only says that the other revisions have not, either.
  if (summary.retracted === true) return { ...line, summary: { ...summary, partials: NOTHING } };
  if (partials === undefined) throw withoutPartials(summary, line);
  checkPartials(partials, line);
  return { ...line, summary: { ...summary, partials } };
}

const NOTHING: SummaryPartials = { version: PARTIALS_VERSION, definition: "", fields: {} };

const FOLLOWING = ["session", "count", "state", "sliding"];

function withoutPartials(summary: Summary, place: Place): WeirError {
  const name = sourceName(summary);
  const others = `choose others with --only`;
  if (FOLLOWING.includes(summary.window.kind)) {
    const why = "its bounds follow from the readings, and would be others with those of other gateways";
    return refused(place, `the ${summary.window.kind} window ${name} cannot be merged: ${why}`, others);
  }
  return refused(
    place,
    `the summary of the window ${name} has no partials`,
    `add partials: true to that window in the profile ${summary.profile}, or ${others}`,
  );
}

function checkPartials(partials: unknown, place: Place): void {
  if (!isObject(partials)) throw damaged(place);
  const { version, definition, fields, span, gateways, windows = 1 } = partials;
  if (version !== PARTIALS_VERSION) {
    const hint = `merge them with the weir that wrote them; this one reads version ${PARTIALS_VERSION}`;
    throw refused(place, `the partials are of version ${String(version)}`, hint);
  }
  const isSpan = (x: unknown) =>
    Array.isArray(x) && x.length === 2 && x.every((each) => Number.isFinite(each));
  const areNames = (x: unknown) => Array.isArray(x) && x.every((each) => typeof each === "string");
  const whole =
    typeof definition === "string" &&
    isObject(fields) &&
    Number.isInteger(windows) &&
    (span === undefined || isSpan(span)) &&
    (gateways === undefined || areNames(gateways)) &&
    Object.values(fields).every((field) => isFieldState(field, areNames));
  if (!whole) throw damaged(place);
}

function isFieldState(field: unknown, areNames: (x: unknown) => boolean): boolean {
  if (!isObject(field) || !Number.isInteger(field.index) || !isObject(field.state)) return false;
  if (field.values !== undefined && !areNames(field.values)) return false;
  return Object.values(field.state).every(
    (items) =>
      Array.isArray(items) && items.every((item) => typeof item === "number" || typeof item === "string"),
  );
}

/** What is read again was checked before it was sorted. */
function checkStates({ summary }: MergeLine, place: Place): void {
  for (const [name, field] of Object.entries(summary.fields)) {
    const partial = summary.partials.fields[name];
    if (partial !== undefined && !areSavedStates(field, partial)) {
      const hint =
        "its state is none that an engine writes; leave the line out, or take the file from its source again";
      throw refused(place, `the partials of ${name} are damaged`, hint);
    }
  }
}

export function damaged(place: Place, cause?: unknown): WeirError {
  return new WeirError("unmergeable", `${at(place)}: the partials are damaged`, { hint: CUT, cause });
}

/** The same from a line that was checked before. */
export function parseAgain(text: string, place: Place): MergeLine {
  return mergeLine(JSON.parse(text) as Summary, { ...place, text });
}
