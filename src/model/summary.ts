import type { Mergeable } from "./partials.js";
import type { FieldValue } from "./reading.js";
import type { RejectReason } from "./reasons.js";
import type { SummaryPartials } from "./summary-partials.js";

/** What one device did in one window. Field order is the order in its JSON. */
export interface Summary {
  /**
   * `gateway/profile/device/window/start`; the same for every revision. What comes of a window after its definition
   * has changed, or after the clock was set back past it, is a summary of its own, with `/2` (and so on) behind: it must
   * not replace what came before. After a damaged store was set aside with its open windows it is `/lost` (`/lost2`).
   *
   * A coarse summary, which the log has merged from unsent ones to save room, says so in the window's name and in
   * its id: `…/1m~15m/start`, and `…/1m~15m/start@first` where the first window in it does not begin with the coarse
   * one, so that the pieces of a coarse window that are sent one after the other keep apart.
   */
  readonly id: string;
  /** 0 for the first firing, then 1, 2, …: the highest one is the truth. */
  readonly revision: number;
  /** True on the last revision: nothing can change the window any more. */
  readonly final: boolean;
  /**
   * True when there is no such window, as a late reading has shown: its bounds were others. Only kinds whose bounds
   * follow from the readings say so. What was said of it before counts no more.
   */
  readonly retracted?: true;
  /** True when the window was closed early because its definition changed. */
  readonly reconfigured?: true;
  /** True when earlier readings of the window may have been lost with a damaged store: see `id`. */
  readonly incomplete?: true;
  readonly gateway: string;
  readonly device: string;
  /** `id@version` of the device profile. */
  readonly profile: string;
  readonly window: SummaryWindow;
  /** Only of a group, which then stands as `device`, with `group@1` as `profile`: who has taken part. */
  readonly members?: SummaryMembers;
  /** Fields that had no value in this window and say what the profile's `fill` gives them. */
  readonly filled?: readonly string[];
  /** By field name, in profile order; fields without a value in this window are absent. */
  readonly fields: Readonly<Record<string, SummaryField>>;
  readonly quality: SummaryQuality;
  /** Where the profile asks for it: what is needed to merge it with others anywhere else. */
  readonly partials?: SummaryPartials;
  /** What is needed to merge it with others, where the engine was asked for it; not part of the JSON. */
  readonly mergeable?: Mergeable;
}

export interface SummaryWindow {
  readonly name: string;
  readonly kind: string;
  /** RFC 3339, inclusive, but exclusive for a sliding window. Absent for a global window. */
  readonly start?: string;
  /**
   * RFC 3339, exclusive; inclusive for a window that its own last reading ends: a sliding one, a count that is full, and
   * a count or a state that was still open when the input or its definition ended. Absent for a global window.
   */
  readonly end?: string;
  /** The value that has lasted; only of state windows, and only where there was one. */
  readonly state?: FieldValue;
  /** Only in a coarse summary. */
  readonly coarsened?: Coarsened;
}

/** Devices that are in a group's summary. */
export interface SummaryMembers {
  /** Those of which a reading was accepted in the window; one whose clock was set back within it may count twice. */
  readonly count: number;
  /** How many the group names; absent where it takes whoever fits. */
  readonly of?: number;
}

/** How a coarse summary came about: merged from the final summaries of `windows` windows named `from`. */
export interface Coarsened {
  readonly from: string;
  readonly windows: number;
}

/**
 * `unit` (if the field has one), `units` by aggregate (for those of another unit), then the requested aggregates in the
 * profile's order.
 */
export type SummaryField = Readonly<Record<string, SummaryValue>>;

/** A result; null where it is undefined. Some are more than a number: a histogram, counts by value. */
export type SummaryValue =
  | number
  | string
  | null
  | readonly SummaryValue[]
  | { readonly [name: string]: SummaryValue };

/** How the readings of the window fared: `received = accepted + Σ` of the reasons present. */
export type SummaryQuality = {
  readonly received: number;
  readonly accepted: number;
  /** Values removed, clamped or flagged by field, where there are any. */
  readonly fields?: Readonly<Record<string, Readonly<Record<string, number>>>>;
} & Readonly<Partial<Record<RejectReason, number>>>;

/** Names of the fields that have a state, in the summary's order: those that were filled have none. */
export function fieldsWithState({ fields, filled = [] }: Pick<Summary, "fields" | "filled">): string[] {
  return Object.keys(fields).filter((name) => !filled.includes(name));
}

/** One line of the summary log. */
export interface LogEntry {
  /**
   * Position in the log, rising. Where entries were merged into one it has the position of the last of them and the
   * others leave holes; so a position that is missing need not be lost (see `SummaryLog.lost`).
   */
  readonly position: number;
  /** Canonical JSON of a `Summary`. */
  readonly json: string;
}

/**
 * The summary's canonical JSON: keys in the order of the interfaces above, shortest round-trip numbers. It is what
 * `JSON.stringify` gives, put together from parts: what summaries of one device and window share is written once.
 */
export function canonicalJson(summary: Summary): string {
  const { id, revision, final, retracted, reconfigured, incomplete, window } = summary;
  const head = `{"id":${quoted(id)},"revision":${revision},"final":${final}`;
  let marks = retracted === undefined ? "" : `,"retracted":${retracted}`;
  if (reconfigured !== undefined) marks += `,"reconfigured":${reconfigured}`;
  if (incomplete !== undefined) marks += `,"incomplete":${incomplete}`;
  // Instants need no escapes.
  const start = window.start === undefined ? "" : `,"start":"${window.start}"`;
  const end = window.end === undefined ? "" : `,"end":"${window.end}"`;
  const state = window.state === undefined ? "" : `,"state":${JSON.stringify(window.state)}`;
  const coarsened = window.coarsened === undefined ? "" : `,"coarsened":${JSON.stringify(window.coarsened)}`;
  const members = summary.members === undefined ? "" : `"members":${JSON.stringify(summary.members)},`;
  const filled = summary.filled === undefined ? "" : `"filled":${JSON.stringify(summary.filled)},`;
  const fields = JSON.stringify(summary.fields);
  const partials = summary.partials === undefined ? "" : `,"partials":${JSON.stringify(summary.partials)}`;
  return `${head}${marks}${sharedJson(summary)}${start}${end}${state}${coarsened}},${members}${filled}"fields":${fields},"quality":${countsJson(summary.quality)}${partials}}`;
}

/** Nearly always nothing but counts, by names of ours. */
function countsJson(quality: SummaryQuality): string {
  let json = "";
  for (const name in quality) {
    const value = quality[name as keyof SummaryQuality];
    if (typeof value !== "number") return JSON.stringify(quality);
    json += json === "" ? `{"${name}":${value}` : `,"${name}":${value}`;
  }
  return `${json}}`;
}

let sharedOf: Summary | undefined;
let shared = "";

function sharedJson(summary: Summary): string {
  const { gateway, device, profile, window } = summary;
  const same =
    sharedOf !== undefined &&
    device === sharedOf.device &&
    window.name === sharedOf.window.name &&
    profile === sharedOf.profile &&
    gateway === sharedOf.gateway &&
    window.kind === sharedOf.window.kind;
  if (same) return shared;
  const place = `,"gateway":${quoted(gateway)},"device":${quoted(device)},"profile":${quoted(profile)}`;
  shared = `${place},"window":{"name":${quoted(window.name)},"kind":${quoted(window.kind)}`;
  sharedOf = summary;
  return shared;
}

/** Quotes, backslashes, control characters and halves of surrogate pairs. */
const SPECIAL = /["\\\p{Cc}\p{Cs}]/u;

function quoted(text: string): string {
  return SPECIAL.test(text) ? JSON.stringify(text) : `"${text}"`;
}
