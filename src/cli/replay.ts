import { readFileSync } from "node:fs";
import { formatDiagnostic } from "../model/diagnostic.js";
import { messageOf, WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";
import type { Profile } from "../model/profile.js";
import { canonicalJson, type Summary } from "../model/summary.js";
import { isZone } from "../model/zone.js";
import { loadProfile } from "../profile/load.js";
import { compileTimeFormat } from "../profile/time-format.js";
import { openRecording, type Recording } from "../source/file.js";
import { type CommandIo, defineCommand, EXIT, usageError } from "./command.js";
import { ExternalSort, type SortedBatch } from "./external-sort.js";
import { gatewayName } from "./gateway-name.js";
import { writeText } from "./output.js";
import { checkReplayable, type RecordedFile, Replay, type ReplayTotals, timeReader } from "./replay-run.js";

/** `weir replay`: recordings through a profile, summaries on stdout, the accounting on stderr. */
const PROGRESS_EVERY_MS = 250;
const OUTPUT_CHARACTERS = 64 * 1024;
/** More field names than these help nobody. */
const FIELDS_NAMED = 8;

interface Request {
  readonly profile: Profile;
  readonly gateway: string;
  readonly device: string | undefined;
  readonly arrivalPointer: string | undefined;
  readonly byTime: boolean;
  readonly allRevisions: boolean;
  readonly framing: "lines" | "whole";
  readonly files: readonly string[];
}

export const command = defineCommand({
  name: "replay",
  usage: "--profile PROFILE.yaml [OPTIONS] FILE… | -",
  about: [
    "Reads recorded payloads, one a line (gzip is recognised), through the same engine that `weir run` uses, and",
    "prints the final summaries as JSON lines, ordered by device, window and start. The accounting goes to stderr.",
    "Memory grows with the devices and their open windows, and not with the files.",
  ].join("\n"),
  examples: [
    {
      line: "weir replay --profile sensor-community-csv.yaml sds011.csv.gz",
      does: "Summaries of a recorded file",
    },
    { line: "zcat *.gz | weir replay --profile p.yaml - > summaries.jsonl", does: "From a pipe" },
    { line: "weir replay --profile lora.yaml --arrival /_timestamp FILE", does: "As it arrived then" },
  ],
  options: {
    profile: { type: "string", short: "p", placeholder: "FILE", help: "The device profile" },
    device: {
      type: "string",
      placeholder: "ID",
      help: "Name of the device, for payloads that do not say it",
    },
    gateway: {
      type: "string",
      default: "replay",
      placeholder: "NAME",
      help: "Gateway in the summaries; weir merge tells parts of a recording apart by it",
    },
    "site-zone": { type: "string", default: "UTC", placeholder: "TZ", help: "The gateway's time zone" },
    "in-order-of": {
      type: "string",
      default: "file",
      placeholder: "file|time",
      help: "Order of the payloads, of all files together where it is time",
    },
    "all-revisions": { type: "boolean", help: "Print every revision as it fires, not only the final ones" },
    "whole-files": { type: "boolean", help: "Each file is one payload, not one a line" },
    arrival: {
      type: "string",
      placeholder: "POINTER",
      help: "Where a JSON payload carries its arrival time",
    },
    "arrival-format": { type: "string", default: "epoch-ms", placeholder: "epoch-ms", help: "Its format" },
  },
  positionals: { min: 1 },
  async run({ values, positionals }, io) {
    if (values.profile === undefined)
      throw usageError("weir replay needs --profile", "weir help replay shows how");
    if (!isZone(values["site-zone"])) throw usageError(`there is no time zone "${values["site-zone"]}"`);
    if (values["arrival-format"] !== "epoch-ms") throw usageError("the arrival format can only be epoch-ms");
    const order = values["in-order-of"];
    if (order !== "file" && order !== "time") throw usageError("--in-order-of is file or time");
    const profile = await readProfile(values.profile, values["site-zone"], io);
    if (profile === undefined) return EXIT.usage;
    checkReplayable(profile, values.arrival);
    const request: Request = {
      profile,
      gateway: gatewayName(values.gateway),
      device: values.device,
      arrivalPointer: values.arrival,
      byTime: order === "time",
      allRevisions: values["all-revisions"] === true,
      framing: values["whole-files"] === true ? "whole" : "lines",
      files: positionals,
    };
    await replay(request, io);
    return EXIT.ok;
  },
});

async function readProfile(file: string, zone: string, io: CommandIo): Promise<Profile | undefined> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new WeirError("bad-usage", `cannot read the profile: ${messageOf(error)}`, {
      hint: "check the path",
    });
  }
  const { profile, diagnostics } = loadProfile(text, { file, zone });
  for (const diagnostic of diagnostics) await writeText(io.stderr, `${formatDiagnostic(diagnostic)}\n`);
  return profile;
}

async function replay(request: Request, io: CommandIo): Promise<void> {
  const beganMs = performance.now();
  const sorted = new ExternalSort();
  let output = "";
  const run = new Replay({
    ...request,
    onSummary: (summary) => {
      if (request.allRevisions) output += `${canonicalJson(summary)}\n`;
      else sorted.add(sortGroup(summary), startMs(summary), canonicalJson(summary));
    },
  });
  const flushOutput = async (min: number) => {
    if (output.length <= min) return;
    const text = output;
    output = "";
    await writeText(io.stdout, text);
  };
  const progress = new Progress(io);
  const read = request.byTime ? readInOrderOfTime : readInOrderOfFile;
  const failures: unknown[] = [];
  try {
    for await (const failure of read({ run, request, progress })) {
      // What can be read of this file and of others is worth having; the command fails all the same.
      if (failure !== undefined) failures.push(failure);
      await flushOutput(OUTPUT_CHARACTERS);
    }
    const totals = run.finish();
    await flushOutput(0);
    for (const { bytes } of sorted.batches()) await writeText(io.stdout, bytes);
    progress.clear();
    await writeText(io.stderr, report(totals, performance.now() - beganMs));
    await writeText(io.stderr, hintsAbout(totals, request));
  } finally {
    sorted.close();
  }
  const last = failures.pop();
  for (const failure of failures) await writeText(io.stderr, `weir: ${messageOf(failure)}\n`);
  if (last !== undefined) throw last;
}

/** The order is by device, window and start. */
function sortGroup({ device, window }: Summary): string {
  return `${encodeURIComponent(device)} ${window.name}`;
}

/** Faster than `Date.parse` by far, for the years 1 to 9999. */
const parseInstant = compileTimeFormat("iso", "UTC");

function startMs({ window }: Summary): number {
  if (window.start === undefined) return Number.NEGATIVE_INFINITY;
  const ms = parseInstant(window.start);
  return Number.isNaN(ms) ? Date.parse(window.start) : ms;
}

interface Reading {
  readonly run: Replay;
  readonly request: Request;
  readonly progress: Progress;
}

/** Yields now and then: why a file could not be read, or not to its end, or undefined. */
type Steps = AsyncGenerator<unknown>;

async function* readInOrderOfFile(reading: Reading): Steps {
  const { run, request } = reading;
  for (const path of request.files) {
    const file = run.begin(path);
    yield* eachBatch(reading, path, (payloads) => run.take(file, payloads));
  }
}

/** All files together; a payload that is not text has no time to be sorted by, and is rejected wherever it stands. */
async function* readInOrderOfTime(reading: Reading): Steps {
  const { run, request } = reading;
  const sorter = new ExternalSort();
  const files: RecordedFile[] = [];
  try {
    for (const path of request.files) {
      const file = run.begin(path);
      const index = files.push(file) - 1;
      const timeOf = timeReader(request.profile, request.device);
      yield* eachBatch(reading, path, (payloads) => {
        for (const payload of payloads) {
          const number = ++file.payloads;
          if (typeof payload === "string") sorter.add("", timeOf(payload), `${index} ${number} ${payload}`);
          else run.takeOne(file, number, payload);
        }
      });
    }
    for (const batch of sorter.batches()) {
      for (const line of linesIn(batch)) {
        const [, index, number] = /^(\d+) (\d+) /.exec(line)!;
        const payload = line.slice(index!.length + number!.length + 2);
        run.takeOne(files[Number(index)]!, Number(number), payload);
      }
      yield undefined;
    }
  } finally {
    sorter.close();
  }
}

async function* eachBatch(
  { request, progress }: Reading,
  path: string,
  take: (payloads: readonly (string | Uint8Array)[]) => void,
): Steps {
  const batches = batchesOf(path, request, progress);
  try {
    for (;;) {
      const next = await batches.next().catch((error: unknown) => ({ error }));
      if ("error" in next) {
        yield next.error;
        return;
      }
      if (next.done === true) return;
      take(next.value);
      yield undefined;
    }
  } finally {
    await batches.return(undefined);
  }
}

async function* batchesOf(
  path: string,
  { profile, framing }: Request,
  progress: Progress,
): AsyncGenerator<readonly (string | Uint8Array)[]> {
  const { encoding } = profile;
  const recording = await openRecording({ path, encoding, framing, lineBytesMax: LIMITS.payloadBytesMax });
  for await (const payloads of recording.batches()) {
    progress.show(recording);
    yield payloads;
  }
}

function linesIn({ bytes, ends }: SortedBatch): string[] {
  let start = 0;
  return ends.map((end) => {
    const line = bytes.toString("utf8", start, end);
    start = end + 1;
    return line;
  });
}

/** A line on a terminal that is written over. */
class Progress {
  readonly #io: CommandIo;
  readonly #isTerminal: boolean;
  #shownMs = 0;

  constructor(io: CommandIo) {
    this.#io = io;
    this.#isTerminal = "isTTY" in io.stderr && io.stderr.isTTY === true;
  }

  show(recording: Recording): void {
    const nowMs = performance.now();
    if (!this.#isTerminal || nowMs - this.#shownMs < PROGRESS_EVERY_MS) return;
    this.#shownMs = nowMs;
    const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
    const { bytesRead, bytesTotal } = recording;
    const text =
      bytesTotal === undefined
        ? `${megabytes(bytesRead)} MB`
        : `${bar(bytesRead / bytesTotal)} ${megabytes(bytesRead)} of ${megabytes(bytesTotal)} MB`;
    this.#io.stderr.write(`\r\x1b[K${text}`);
  }

  clear(): void {
    if (this.#isTerminal) this.#io.stderr.write("\r\x1b[K");
  }
}

function bar(share: number): string {
  const done = Math.round(Math.min(1, share) * 30);
  return `[${"#".repeat(done)}${".".repeat(30 - done)}]`;
}

function report(totals: ReplayTotals, elapsedMs: number): string {
  const rows: [string, string][] = [
    ["received", count(totals.received)],
    ["accepted", count(totals.accepted)],
    ...Object.entries(totals.rejected).map(([reason, n]): [string, string] => [`  ${reason}`, count(n)]),
    ["devices", count(totals.devices)],
    ["windows", count(totals.windows)],
    ["revisions", count(totals.revisions)],
    ["elapsed", `${(elapsedMs / 1000).toFixed(2)} s`],
    ["readings/s", count(Math.round(totals.received / (elapsedMs / 1000)))],
  ];
  if (totals.partlyLate > 0) rows.splice(2, 0, ["  of them late for a window", count(totals.partlyLate)]);
  if (totals.conflicting > 0) rows.splice(2, 0, ["  of them at a taken time", count(totals.conflicting)]);
  const { unreadableValue, unreadableValues } = totals;
  if (unreadableValue !== undefined) rows.push(["values not of their type", count(unreadableValues)]);
  const width = Math.max(...rows.map(([label]) => label.length)) + 2;
  const unread = [...totals.unread].map(([reason, first]) => `first ${reason}: ${first}\n`);
  if (unreadableValue !== undefined) unread.push(`first value not of its type: ${unreadableValue}\n`);
  return [...rows.map(([label, value]) => `${label.padEnd(width)}${value.padStart(12)}\n`), ...unread].join(
    "",
  );
}

/** What the totals let suspect of how the recording is read. */
function hintsAbout(totals: ReplayTotals, request: Request): string {
  return hintAboutDevice(totals, request) + hintAboutFields(totals, request);
}

/** Where payloads are found unidentified that a topic or port would have given a name. */
function hintAboutDevice({ rejected }: ReplayTotals, { profile, device }: Request): string {
  if (rejected.unidentified === undefined || device !== undefined) return "";
  const topic = profile.topics.length === 0 ? "" : ", which the topic tells where they come by MQTT";
  return `weir: unidentified readings do not say their device${topic}; name it with --device ID\n`;
}

/** A slip in a column's name or in a pointer leaves every reading empty. */
function hintAboutFields({ accepted, rejected }: ReplayTotals, { profile }: Request): string {
  if (accepted > 0 || rejected.empty === undefined) return "";
  const names = profile.fields.slice(0, FIELDS_NAMED).map(({ name }) => name);
  if (profile.fields.length > FIELDS_NAMED) names.push("…");
  return `weir: empty readings have a value for none of ${names.join(", ")}; compare what the profile's fields are read from with the recording\n`;
}

function count(n: number): string {
  return n.toLocaleString("en-US");
}
