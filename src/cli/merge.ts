import { findAggregate, nearestAggregate } from "../aggregate/catalog.js";
import { formatDuration, parseDuration } from "../model/time.js";
import { isZone } from "../model/zone.js";
import { type CommandIo, defineCommand, EXIT, usageError } from "./command.js";
import { gatewayName } from "./gateway-name.js";
import { MergeRun, type MergeRunRequest, type MergeTotals } from "./merge-run.js";
import { MERGE_BY, type MergeBy } from "./merge-series.js";
import { writeText } from "./output.js";

/** `weir merge`: summaries with partials to those of larger wholes, on stdout; the accounting on stderr. */
const DAY_MS = 86_400_000;

export const command = defineCommand({
  name: "merge",
  usage: "[OPTIONS] FILE… | -",
  about: [
    "Merges summaries that have `partials` (windows of a profile with `partials: true`) into what one engine that saw",
    "all of their readings would have said: the fields are the same, byte for byte. It reads JSON lines as a file",
    "target or `weir log` writes them (gzip is recognised), in any order, and takes the newest revision of each; and",
    "prints the merged summaries as JSON lines, which can be merged again.",
    "\n\nWithout --window, it merges the same windows of several gateways; with it, the windows that lie in a longer",
    "one, too. By device, the readings that a device sent through several gateways come together, and a name stands for",
    "the same device everywhere: where it does not, merge gateway by gateway. By profile, all devices of a profile",
    "become one, called *; by all, those of all profiles, where fields of one name mean the same. What goes by the",
    "time of one device, such as timeAverage, increase and completeness, has then to be left out with --without.",
    "\n\nA reading that was heard by two gateways counts twice, as nothing in a summary tells. Memory does not grow",
    "with the files: 64 MiB for sorting (more goes to temporary files), one merged summary, and those that begin at",
    "one instant. Nothing is printed when any of it is wrong.",
  ].join(" "),
  examples: [
    { line: "weir merge gw-1.jsonl gw-2.jsonl", does: "The same windows of two gateways" },
    {
      line: "weir merge --window 1h --zone Europe/Berlin summaries.jsonl",
      does: "Minutes into hours, counted from midnight in Berlin",
    },
    {
      line: "weir merge --by profile --window 1d --only 1m --without timeAverage *.jsonl.gz",
      does: "One summary a day for a fleet",
    },
  ],
  options: {
    window: { type: "string", placeholder: "SIZE", help: "Size of the windows: a part of a day, or days" },
    zone: {
      type: "string",
      default: "UTC",
      placeholder: "TZ",
      help: "Whose midnight longer windows begin at",
    },
    by: { type: "string", default: "device", placeholder: MERGE_BY.join("|"), help: "What comes together" },
    only: { type: "string", multiple: true, placeholder: "NAME", help: "Only windows of this name" },
    without: {
      type: "string",
      multiple: true,
      placeholder: "AGGREGATE",
      help: "Leaves this aggregate out",
    },
    gateway: {
      type: "string",
      placeholder: "NAME",
      help: "Gateway in the merged summaries; default: that of all of them, or merged",
    },
    plain: { type: "boolean", help: "Prints the merged summaries without partials" },
  },
  positionals: { min: 1 },
  async run({ values, positionals: files }, io) {
    if (files.filter((file) => file === "-").length > 1) throw usageError("- can be given once");
    if (!isZone(values.zone)) throw usageError(`there is no time zone "${values.zone}"`);
    const request: MergeRunRequest = {
      files,
      only: values.only === undefined ? undefined : new Set(values.only),
      by: byOf(values.by),
      windowMs: values.window === undefined ? undefined : windowOf(values.window),
      zone: values.zone,
      without: new Set((values.without ?? []).map(aggregateOf)),
      gateway: values.gateway === undefined ? undefined : gatewayName(values.gateway),
      plain: values.plain === true,
    };
    await merge(request, io);
    return EXIT.ok;
  },
});

async function merge(request: MergeRunRequest, io: CommandIo): Promise<void> {
  const run = new MergeRun(request);
  try {
    await run.run(bytesOf(io.stdin as AsyncIterable<string | Uint8Array>));
    for (const bytes of run.output()) await writeText(io.stdout, bytes);
    await writeText(io.stderr, report(run.totals));
  } finally {
    run.close();
  }
}

async function* bytesOf(chunks: AsyncIterable<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
}

function byOf(text: string): MergeBy {
  const by = MERGE_BY.find((each) => each === text);
  if (by === undefined) throw usageError(`--by is ${MERGE_BY.join(", ")}, not '${text}'`);
  return by;
}

function windowOf(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0)
    throw usageError(`--window takes a duration, not '${text}'`, "as 15m or 1d");
  if (ms % DAY_MS !== 0 && DAY_MS % ms !== 0) {
    throw usageError(`--window: ${formatDuration(ms)} is neither a part of a day nor whole days`);
  }
  return ms;
}

function aggregateOf(name: string): string {
  if (findAggregate(name) !== undefined) return name;
  const guess = nearestAggregate(name);
  throw usageError(
    `--without: there is no aggregate "${name}"`,
    guess === undefined ? "src/profile/REFERENCE.md lists them" : `did you mean ${guess}?`,
  );
}

function report(totals: MergeTotals): string {
  const { read, ofGroups, superseded, retracted, filled, written, notFinal } = totals;
  const rows: [string, number][] = [["summaries read", read]];
  if (ofGroups > 0) rows.push(["summaries of groups, left out", ofGroups]);
  if (superseded > 0) rows.push(["  superseded by a newer revision, or the same", superseded]);
  if (retracted > 0) rows.push(["  taken back", retracted]);
  if (filled > 0) rows.push(["  of empty windows that were filled", filled]);
  rows.push(["summaries written", written]);
  if (notFinal > 0) rows.push(["  not final yet", notFinal]);
  const width = Math.max(...rows.map(([label]) => label.length)) + 2;
  return rows
    .map(([label, n]) => `${label.padEnd(width)}${n.toLocaleString("en-US").padStart(12)}\n`)
    .join("");
}
