import { WeirError } from "../model/errors.js";
import type { EngineProfile, Field } from "../model/profile.js";
import type { AccumulatedField } from "./aggregate.js";

/** What accumulators may know of a field of a profile. */
export function accumulatedOf(
  { fields, time }: Pick<EngineProfile, "fields" | "time">,
  { resolution, type, values, maxGapMs, counter }: Field,
): AccumulatedField {
  const other = (name: string) => {
    const place = fields.findIndex((field) => field.name === name);
    if (place < 0) throw new WeirError("unknown-field", `there is no field "${name}"`);
    const its = fields[place]!;
    return { place, meaning: JSON.stringify([its.type, its.unit ?? null]) };
  };
  return { resolution, type, values, maxGapMs, counter, periodMs: time.periodMs, other };
}
