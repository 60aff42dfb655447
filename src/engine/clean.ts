import { LIMITS } from "../model/limits.js";
import type { CleanRule, EngineProfile, Field } from "../model/profile.js";
import { type FieldValue, isMissing, MISSING } from "../model/reading.js";
import type { RejectReason } from "../model/reasons.js";
import { VALUE_FATE_CODE } from "./plan.js";

/**
 * Cleaning of one reading, in place: values out of their bounds are removed, clamped, flagged, or cost the whole
 * reading, as the profile's rules say; computed fields get their value from what is left. A function of the
 * reading alone, so that it does not depend on order.
 */
export interface Cleaner {
  /** A copy of a reading's values to be cleaned; the same array for every reading, so that none costs memory. */
  copy(values: readonly FieldValue[]): FieldValue[];
  /**
   * @param values by field; changed in place
   * @param fates what was done to single values, as `field * 8 + fate code`; appended to
   * @returns why the reading cannot be kept, or undefined
   */
  clean(values: FieldValue[], fates: number[]): RejectReason | undefined;
}

interface FieldCleaner {
  readonly field: Field;
  readonly outOfRange: CleanRule["action"];
  /** Undefined where no rule asks for it. */
  readonly implausible: CleanRule["action"] | undefined;
}

/** Reading-level outcome of one value. */
const KEPT = 0;
const REMOVED_RANGE = 1;
const REMOVED_PLAUSIBLE = 2;
const DROP_RANGE = 3;
const DROP_PLAUSIBLE = 4;

export function createCleaner(profile: EngineProfile): Cleaner {
  const fields = profile.fields.map((field, index): FieldCleaner => {
    const rules = profile.clean.filter((rule) => rule.fields.includes(index));
    return {
      field,
      outOfRange: rules.find((rule) => rule.outside === "range")?.action ?? "null",
      implausible: rules.find((rule) => rule.outside === "plausible")?.action,
    };
  });
  // An array that has grown is known to have no holes, which makes it cheaper to read.
  const copied: FieldValue[] = [];
  for (let i = 0; i < profile.fields.length; i++) copied.push(MISSING);
  return {
    copy(values) {
      for (let i = 0; i < copied.length; i++) copied[i] = values[i]!;
      return copied;
    },
    clean(values, fates) {
      let present = false;
      let worst = KEPT;
      for (let i = 0; i < fields.length; i++) {
        const cleaner = fields[i]!;
        if (cleaner.field.compute !== undefined) values[i] = cleaner.field.compute(values);
        const value = values[i] ?? MISSING;
        if (isMissing(value)) continue;
        if (typeof value === "string") {
          present = true;
          continue;
        }
        const outcome = cleanNumber(cleaner, i, values, fates);
        if (outcome >= DROP_RANGE) return outcome === DROP_RANGE ? "outOfRange" : "implausible";
        if (outcome === KEPT) present = true;
        else if (worst !== REMOVED_RANGE) worst = outcome;
      }
      if (present) return undefined;
      if (worst === KEPT) return "empty";
      return worst === REMOVED_RANGE ? "outOfRange" : "implausible";
    },
  };
}

function cleanNumber(cleaner: FieldCleaner, index: number, values: FieldValue[], fates: number[]): number {
  // Adding zero turns -0 into 0: the same value must not have two byte forms.
  const value = (values[index] as number) + 0;
  values[index] = value;
  const { range, plausible } = cleaner.field;
  if (!(Math.abs(value) <= LIMITS.valueMagnitudeMax)) {
    values[index] = MISSING;
    fates.push(index * 8 + VALUE_FATE_CODE.outOfRange);
    return REMOVED_RANGE;
  }
  if (range !== undefined && (value < range[0] || value > range[1])) {
    return act({ action: cleaner.outOfRange, bounds: range, index, values, fates, removed: "outOfRange" });
  }
  if (cleaner.implausible === undefined || plausible === undefined) return KEPT;
  if (value >= plausible[0] && value <= plausible[1]) return KEPT;
  return act({ action: cleaner.implausible, bounds: plausible, index, values, fates, removed: "removed" });
}

function act(on: {
  readonly action: CleanRule["action"];
  readonly bounds: readonly [number, number];
  readonly index: number;
  readonly values: FieldValue[];
  readonly fates: number[];
  readonly removed: "outOfRange" | "removed";
}): number {
  const byRange = on.removed === "outOfRange";
  switch (on.action) {
    case "drop":
      return byRange ? DROP_RANGE : DROP_PLAUSIBLE;
    case "null":
      on.values[on.index] = MISSING;
      on.fates.push(on.index * 8 + VALUE_FATE_CODE[on.removed]);
      return byRange ? REMOVED_RANGE : REMOVED_PLAUSIBLE;
    case "clamp":
      on.values[on.index] = Math.min(Math.max(on.values[on.index] as number, on.bounds[0]), on.bounds[1]);
      on.fates.push(on.index * 8 + VALUE_FATE_CODE.clamped);
      return KEPT;
    case "flag":
      on.fates.push(on.index * 8 + VALUE_FATE_CODE.flagged);
      return KEPT;
  }
}
