import type { RejectReason } from "./reasons.js";

/** What one device did in one window. Field order is the order in its JSON. */
export interface Summary {
  /** `gateway/profile/device/window/start`; the same for every revision. */
  readonly id: string;
  /** 0 for the first firing, then 1, 2, …: the highest one is the truth. */
  readonly revision: number;
  /** True on the last revision: nothing can change the window any more. */
  readonly final: boolean;
  /** True when the window was closed early because its definition changed. */
  readonly reconfigured?: true;
  readonly gateway: string;
  readonly device: string;
  /** `id@version` of the device profile. */
  readonly profile: string;
  readonly window: SummaryWindow;
  /** By field name, in profile order; fields without a value in this window are absent. */
  readonly fields: Readonly<Record<string, SummaryField>>;
  readonly quality: SummaryQuality;
}

export interface SummaryWindow {
  readonly name: string;
  readonly kind: string;
  /** RFC 3339, inclusive. Absent for a global window. */
  readonly start?: string;
  /** RFC 3339, exclusive. Absent for a global window. */
  readonly end?: string;
}

/** `unit` (if the field has one), then the requested aggregates in the profile's order. */
export type SummaryField = Readonly<Record<string, number | string | null>>;

/** How the readings of the window fared: `received = accepted + Σ` of the reasons present. */
export type SummaryQuality = {
  readonly received: number;
  readonly accepted: number;
  /** Values removed, clamped or flagged by field, where there are any. */
  readonly fields?: Readonly<Record<string, Readonly<Record<string, number>>>>;
} & Readonly<Partial<Record<RejectReason, number>>>;

/** One line of the summary log. */
export interface LogEntry {
  /** Position in the log: 1, 2, 3, …; holes are possible only below the oldest kept entry. */
  readonly position: number;
  /** Canonical JSON of a `Summary`. */
  readonly json: string;
}

/** The summary's canonical JSON: keys in the order of the interfaces above, shortest round-trip numbers. */
export function canonicalJson(summary: Summary): string {
  return JSON.stringify(summary);
}
