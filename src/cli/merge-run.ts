import { partOf, sourceName, spanOf } from "../aggregate/merge.js";
import { WeirError } from "../model/errors.js";
import { nearest } from "../model/nearest.js";
import { canonicalJson, type Summary } from "../model/summary.js";
import { ExternalSort } from "./external-sort.js";
import { type InputOptions, type MergeLine, parseAgain, readMergeLines, refused } from "./merge-input.js";
import { type MergeCounts, type MergeRequest, MergeSeries } from "./merge-series.js";

/**
 * `weir merge`: summaries in, by whatever order and however many files; merged ones out.
 *
 * What is read is sorted by series and time outside of memory (external-sort.ts, 64 MiB with what is written), then
 * merged in that order. In memory are, at any time, the state of one merged summary, the summaries of one series that
 * begin at one instant, and an entry for each device of it. Nothing is written before everything was right.
 */
export interface MergeRunRequest extends MergeRequest {
  readonly files: readonly string[];
  /** Names of windows, as profiles define them; undefined for all. */
  readonly only: ReadonlySet<string> | undefined;
  /** Name of the gateway that the merged summaries have; undefined for that of all of them, or `merged`. */
  readonly gateway: string | undefined;
  /** Whether the merged summaries have no partials. */
  readonly plain: boolean;
}

export interface MergeTotals extends MergeCounts {
  read: number;
  /** Summaries of groups, which are left out. */
  ofGroups: number;
  written: number;
  notFinal: number;
}

/** Gateway of what came from several, unless something else is asked for. */
export const MERGED = "merged";

export class MergeRun {
  readonly #request: MergeRunRequest;
  readonly #sorted = new ExternalSort();
  readonly #output = new ExternalSort();
  readonly #gateways = new Set<string>();
  /** Names of windows in what was read. */
  readonly #windows = new Set<string>();
  readonly totals: MergeTotals = {
    read: 0,
    ofGroups: 0,
    superseded: 0,
    retracted: 0,
    filled: 0,
    written: 0,
    notFinal: 0,
  };

  constructor(request: MergeRunRequest) {
    this.#request = request;
  }

  /** Reads and merges everything. @throws WeirError */
  async run(stdin: InputOptions["stdin"]): Promise<void> {
    const takes = (window: string) => this.#takes(window);
    const ofGroup = () => void this.totals.ofGroups++;
    for (const [i, file] of this.#request.files.entries()) {
      for await (const line of readMergeLines(file, { takes, ofGroup, stdin })) this.#sort(line, i);
    }
    for (const window of this.#request.only ?? []) this.#expectWindow(window);
    this.#merge();
  }

  #takes(window: string): boolean {
    this.#windows.add(window);
    return this.#request.only?.has(window) ?? true;
  }

  /** @throws WeirError */
  #expectWindow(window: string): void {
    if (this.#windows.has(window) || this.#windows.size === 0) return;
    const guess = nearest(window, this.#windows);
    const hint =
      guess === undefined ? `the input has ${[...this.#windows].join(", ")}` : `did you mean ${guess}?`;
    throw new WeirError("unmergeable", `--only: no summary is of a window "${window}"`, { hint });
  }

  #sort(line: MergeLine, file: number): void {
    const { summary, text } = line;
    this.totals.read++;
    if (this.#gateways.size < 2) this.#gateways.add(summary.gateway);
    checkWindow(line, this.#request);
    const { key, order } = placeOf(line, this.#request);
    this.#sorted.add(key, order, `${file} ${line.line} ${text}`);
  }

  #merge(): void {
    let current: { readonly key: string; readonly series: MergeSeries } | undefined;
    let order = Number.NaN;
    let together: MergeLine[] = [];
    const take = () => {
      if (together.length > 0) current!.series.take(together);
      together = [];
    };
    for (const line of this.#lines()) {
      const place = placeOf(line, this.#request);
      if (place.key !== current?.key) {
        take();
        current?.series.finish();
        current = { key: place.key, series: this.#series() };
      } else if (place.order !== order) take();
      order = place.order;
      together.push(line);
    }
    take();
    current?.series.finish();
    this.#sorted.close();
  }

  *#lines(): Generator<MergeLine> {
    for (const { bytes, ends } of this.#sorted.batches()) {
      let start = 0;
      for (const end of ends) {
        const record = bytes.toString("utf8", start, end);
        start = end + 1;
        const [file = "", line = ""] = record.split(" ", 2);
        const text = record.slice(file.length + line.length + 2);
        yield parseAgain(text, { file: this.#request.files[Number(file)]!, line: Number(line) });
      }
    }
  }

  #series(): MergeSeries {
    const [only = MERGED, ...others] = this.#gateways;
    return new MergeSeries({
      request: this.#request,
      gateway: this.#request.gateway ?? (others.length === 0 ? only : MERGED),
      counts: this.totals,
      emit: (summary) => this.#write(summary),
    });
  }

  #write(summary: Summary): void {
    this.totals.written++;
    if (!summary.final) this.totals.notFinal++;
    const { partials, ...plain } = summary;
    this.#output.add("", 0, canonicalJson(this.#request.plain ? plain : summary));
  }

  /** The merged summaries as JSON lines. */
  *output(): Generator<Uint8Array> {
    for (const { bytes } of this.#output.batches()) yield bytes;
  }

  /** Removes what is on disk. */
  close(): void {
    this.#sorted.close();
    this.#output.close();
  }
}

/** The series that a summary goes into, and its place in that. */
function placeOf(
  { summary }: MergeLine,
  { by, windowMs }: MergeRequest,
): { readonly key: string; readonly order: number } {
  const { profile, device, window, partials } = summary;
  const id = profile.slice(0, profile.lastIndexOf("@"));
  const name = windowMs === undefined ? window.name : sourceName(summary);
  const of = {
    device: () => [encodeURIComponent(device), id, name, partOf(summary)],
    profile: () => [id, name],
    all: () => [name],
  }[by]();
  return { key: of.join(" "), order: spanOf(summary, partials)[0] };
}

/** Longer windows come of windows that follow one another. */
function checkWindow(line: MergeLine, { windowMs }: MergeRequest): void {
  const { kind, name } = line.summary.window;
  if (windowMs === undefined || kind === "tumbling") return;
  const why =
    kind === "hopping"
      ? "overlap, so that merging them into longer ones would count readings several times"
      : "have no length";
  throw refused(
    line,
    `the ${kind} windows ${name} ${why}`,
    "choose tumbling windows with --only, or leave out --window",
  );
}
