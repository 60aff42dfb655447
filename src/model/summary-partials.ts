import type { FieldPartials, Partials } from "./partials.js";

/**
 * The mergeable state of a window as its summary has it upstream, where the profile says `partials: true`. PARTIALS.md
 * beside this file is the documentation, also for readers in other languages.
 */
export const PARTIALS_VERSION = 1;

/** Key order is the order in the JSON. What is absent is what an engine's own window has. */
export interface SummaryPartials {
  readonly version: typeof PARTIALS_VERSION;
  /**
   * Digest of all that gives the states their meaning: size and place of the window, and of each field type, unit,
   * aggregates and parameters. `*` where windows of several definitions were merged.
   */
  readonly definition: string;
  /** True in an early firing: the window has not ended. */
  readonly open?: true;
  /** Windows that were merged; absent for one. */
  readonly windows?: number;
  /** Start of the first and end of the last of them, milliseconds since the epoch; absent for that of the window. */
  readonly span?: readonly [number, number];
  /** The gateways whose readings are in it, rising; absent for that of the summary. */
  readonly gateways?: readonly string[];
  /** By field, in the summary's order: those with a value that was not filled in. */
  readonly fields: Readonly<Record<string, FieldState>>;
}

export interface FieldState {
  /** See `FieldPartials.index`. */
  readonly index: number;
  /** See `FieldPartials.values`; absent where no result needs them. */
  readonly values?: readonly string[];
  /** See `FieldPartials.state`. `LIMITS.valueMagnitudeMax` keeps out what JSON has no form for. */
  readonly state: FieldPartials["state"];
}

export function fieldStates(partials: Partials): Readonly<Record<string, FieldState>> {
  const fields: Record<string, FieldState> = {};
  for (const [name, { index, values, state }] of Object.entries(partials)) {
    fields[name] = values === undefined ? { index, state } : { index, values, state };
  }
  return fields;
}

export function partialsOf({ fields }: SummaryPartials): Partials {
  const partials = Object.entries(fields).map(([name, { index, values, state }]) => [
    name,
    { index, values, state },
  ]);
  return Object.fromEntries(partials) as Partials;
}
