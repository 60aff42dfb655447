import type { EngineProfile, Field } from "../model/profile.js";

/** What must be equal for values to mean the same under two definitions. */
export function meaningOf({ name, type, unit, values }: Field): string {
  return JSON.stringify([name, type, unit ?? null, values ?? null]);
}

/**
 * Whether readings that come again under another definition have the values that they had, as far as the engine can tell:
 * it knows neither how they are decoded nor what a computed field is computed by.
 */
export function readsAlike(from: EngineProfile, to: EngineProfile): boolean {
  if (from.fields === to.fields) return true;
  const isComputed = ({ compute }: Field) => compute !== undefined;
  if (from.fields.some(isComputed) || to.fields.some(isComputed)) return false;
  return JSON.stringify([from.fields, from.clean]) === JSON.stringify([to.fields, to.clean]);
}
