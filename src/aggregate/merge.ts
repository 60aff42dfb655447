import type { CoarseWindow } from "../model/coarse-window.js";
import { WeirError } from "../model/errors.js";
import type { MergeMember, Partials } from "../model/partials.js";
import { canonicalJson, type Summary, type SummaryQuality, type SummaryWindow } from "../model/summary.js";
import {
  fieldStates,
  PARTIALS_VERSION,
  partialsOf,
  type SummaryPartials,
} from "../model/summary-partials.js";
import { formatDuration, formatInstant } from "../model/time.js";
import type { EarlierWindows } from "./earlier-windows.js";
import { type FieldRules, FieldsMerge } from "./merge-fields.js";
import { mergeQuality } from "./merge-quality.js";

/**
 * Merging the summaries of several windows, or of several gateways, into one.
 *
 * The states are merged and every result is computed anew from the merged state, by the same code that computes a
 * window's results; so `fields` is, byte for byte, what one window over all of their readings would have said.
 * `quality` is added up. Everything needed is in the summaries themselves: name, unit and aggregates of a field in
 * the JSON, the rest in its state.
 *
 * The log uses it when it is full (store/coarsen.ts), `weir merge` on what went upstream.
 */
export interface MergeInto extends FieldRules {
  /** The window that comes of it; absent for that of the members, which is the same. */
  readonly window?: CoarseWindow | undefined;
  /** What it is called instead of that of the members, which is the same where nothing is given. */
  readonly gateway?: string | undefined;
  readonly device?: string | undefined;
  readonly profile?: string | undefined;
}

/** A summary that is merged, with what is known of it. */
export interface Member {
  readonly summary: Summary;
  readonly partials: Partials;
  /** Start of the first window in it, and end of the last one. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Windows of the original size in it. */
  readonly windows: number;
}

/** A member from a summary that has its state in itself. */
export function memberOf(summary: Summary, partials: SummaryPartials): Member {
  const [firstMs, lastMs] = spanOf(summary, partials);
  const windows = partials.windows ?? summary.window.coarsened?.windows ?? 1;
  return { summary, partials: partialsOf(partials), firstMs, lastMs, windows };
}

/** Start of the first and end of the last window in it; those of a global window are infinite. */
export function spanOf({ window }: Summary, { span }: SummaryPartials): readonly [number, number] {
  if (span !== undefined) return span;
  const { start, end } = window;
  return [
    start === undefined ? Number.NEGATIVE_INFINITY : Date.parse(start),
    end === undefined ? Number.POSITIVE_INFINITY : Date.parse(end),
  ];
}

export class SummaryMerge {
  readonly #into: MergeInto;
  readonly #fields: FieldsMerge;
  readonly #quality: SummaryQuality[] = [];
  readonly #gateways = new Set<string>();
  #model: Summary | undefined;
  #definition: string | undefined;
  /** Whether all members have their state in their JSON. */
  #upstream = true;
  #final = true;
  #reconfigured = false;
  #incomplete = false;
  #open = false;
  #firstMs = Number.POSITIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;
  #windows = 0;

  constructor(into: MergeInto) {
    this.#into = into;
    this.#fields = new FieldsMerge(into);
  }

  /**
   * Adds members, in any order; none of them lies before one that was added earlier.
   * @throws WeirError `unmergeable`; what has been added before is of no use then
   */
  add(members: readonly Member[]): void {
    for (const member of members) this.#note(member);
    this.#fields.add(members);
  }

  #note({ summary, firstMs, lastMs, windows }: Member): void {
    const { partials, gateway } = summary;
    this.#model ??= summary;
    if (!this.#isSame(summary, this.#model)) {
      throw new WeirError(
        "unmergeable",
        `${summary.id} is not of the same series as the summaries beside it`,
      );
    }
    this.#upstream &&= partials !== undefined;
    this.#definition ??= partials?.definition;
    if (partials !== undefined && this.#definition !== partials.definition) this.#definition = SEVERAL;
    for (const each of partials?.gateways ?? [gateway]) this.#gateways.add(each);
    this.#final &&= summary.final;
    this.#reconfigured ||= summary.reconfigured === true;
    this.#incomplete ||= summary.incomplete === true;
    // What has not ended before another one ended leaves nothing open.
    const open = partials?.open === true;
    if (lastMs > this.#lastMs) this.#open = open;
    else if (lastMs === this.#lastMs) this.#open ||= open;
    this.#firstMs = Math.min(this.#firstMs, firstMs);
    this.#lastMs = Math.max(this.#lastMs, lastMs);
    this.#windows += windows;
    // One by one, they would be as many as there are members.
    this.#quality.push(summary.quality);
    if (this.#quality.length >= QUALITIES_MAX) this.#quality.splice(0, QUALITIES_MAX, this.#qualities());
  }

  #isSame(a: Summary, b: Summary): boolean {
    const { gateway, device, profile } = this.#into;
    return (
      (gateway !== undefined || a.gateway === b.gateway) &&
      (device !== undefined || (a.device === b.device && partOf(a) === partOf(b))) &&
      (profile !== undefined || (a.profile === b.profile && isSameDefinition(a, b))) &&
      sourceName(a) === sourceName(b)
    );
  }

  #qualities(): SummaryQuality {
    return mergeQuality(this.#quality, this.#fields.places());
  }

  /** @param earlier the windows before it, where it may follow what its members did not know */
  finish(earlier?: EarlierWindows): Member {
    const model = this.#model!;
    const { gateway = model.gateway, device = model.device, profile = model.profile } = this.#into;
    const { window, startMs, endMs } = this.#window(model);
    if (earlier !== undefined && startMs !== undefined) this.#fields.follow(earlier, startMs);
    const firstMs = this.#firstMs;
    const { untilMs = endMs } = this.#into.window ?? {};
    const bounds = startMs === undefined ? undefined : { startMs, endMs: untilMs, firstMs, open: this.#open };
    const quality = this.#qualities();
    const begins = window.coarsened === undefined || firstMs === startMs ? "" : `@${formatInstant(firstMs)}`;
    const part = this.#into.device === undefined ? partOf(model) : "";
    const partials = this.#fields.partials();
    const fields = fieldStates(partials);
    const span = [startMs ?? Number.NEGATIVE_INFINITY, endMs] as const;
    const upstream = this.#upstream ? { partials: { ...this.#head(span, gateway), fields } } : {};
    const summary: Summary = {
      id: `${deviceId({ gateway, device, profile })}/${window.name}/${window.start ?? "all"}${begins}${part}`,
      revision: 0,
      final: this.#final,
      ...(this.#reconfigured ? { reconfigured: true } : {}),
      ...(this.#incomplete ? { incomplete: true } : {}),
      gateway,
      device,
      profile,
      window,
      fields: this.#fields.results(bounds, quality),
      quality,
      ...upstream,
    };
    return { summary, partials, firstMs, lastMs: this.#lastMs, windows: this.#windows };
  }

  #window(model: Summary): { window: SummaryWindow; startMs: number | undefined; endMs: number } {
    const { name, kind, start, end } = model.window;
    const coarse = this.#into.window;
    const [startMs, endMs] = [start, end].map((each) => (each === undefined ? undefined : Date.parse(each)));
    const same = coarse === undefined || (coarse.startMs === startMs && coarse.endMs === endMs);
    const from = sourceName(model);
    const coarsened = { from, windows: this.#windows };
    if (same) {
      const own = model.window.coarsened === undefined ? {} : { coarsened };
      const window = {
        name,
        kind,
        ...(start === undefined ? {} : { start }),
        ...(end === undefined ? {} : { end }),
        ...own,
      };
      return { window, startMs, endMs: endMs ?? Number.POSITIVE_INFINITY };
    }
    const window = {
      name: `${from}~${formatDuration(coarse.sizeMs)}`,
      kind,
      start: formatInstant(coarse.startMs),
      end: formatInstant(coarse.endMs),
      coarsened,
    };
    return { window, startMs: coarse.startMs, endMs: coarse.endMs };
  }

  /** Of the partials, what stands before the fields. */
  #head([startMs, endMs]: readonly [number, number], gateway: string): Omit<SummaryPartials, "fields"> {
    const gateways = [...this.#gateways].sort();
    const whole = this.#firstMs === startMs && this.#lastMs === endMs;
    return {
      version: PARTIALS_VERSION,
      definition: this.#definition ?? SEVERAL,
      ...(this.#open ? { open: true } : {}),
      ...(this.#windows === 1 ? {} : { windows: this.#windows }),
      ...(whole ? {} : { span: [this.#firstMs, this.#lastMs] }),
      ...(gateways.length === 1 && gateways[0] === gateway ? {} : { gateways }),
    };
  }
}

/** In place of a definition, where there are several. */
const SEVERAL = "*";
const QUALITIES_MAX = 256;

/** Those that have it elsewhere have it in what brought them together. */
function isSameDefinition({ partials: a }: Summary, { partials: b }: Summary): boolean {
  return a === undefined || b === undefined || a.definition === b.definition;
}

/** Name of the window as a profile defines it. */
export function sourceName({ window }: Summary): string {
  return window.coarsened?.from ?? window.name;
}

/** What stands behind the start in an id: `/2` or `/lost/2`, for example, or nothing. */
export function partOf(summary: Summary): string {
  const [, , ...parts] = summary.id.slice(deviceId(summary).length + 1).split("/");
  return parts.map((part) => `/${part}`).join("");
}

/** `gateway/profile/device`, as ids begin. */
function deviceId({ gateway, device, profile }: Pick<Summary, "gateway" | "device" | "profile">): string {
  const at = profile.lastIndexOf("@");
  return `${gateway}/${at < 0 ? profile : profile.slice(0, at)}/${encodeURIComponent(device)}`;
}

/**
 * Merges final summaries of one series, oldest first, into the one of a coarser window.
 * @throws WeirError `unmergeable` when they do not mean the same
 */
export function mergeSummaries(members: readonly MergeMember[], window: CoarseWindow): MergeMember {
  const merge = new SummaryMerge({ window });
  merge.add(members.map(storedMember));
  const { summary, partials, firstMs, windows } = merge.finish();
  const json = canonicalJson(summary);
  return { json, partials: summary.partials === undefined ? partials : {}, firstMs, windows };
}

function storedMember({ json, partials, firstMs, windows }: MergeMember): Member {
  const summary = JSON.parse(json) as Summary;
  const of = summary.partials;
  const lastMs = of?.span?.[1] ?? Date.parse(summary.window.end!);
  return { summary, partials: of === undefined ? partials : partialsOf(of), firstMs, lastMs, windows };
}
