/** Units of what is counted over time, as text. */

/** SenML has a name for these times an hour: the unit with `h` behind it. */
const WITH_HOUR = ["W", "kW", "MW", "VA", "kVA", "var", "kvar", "A", "mA"];

/** Unit of a field times hours. */
export function timeTotalUnit(unit: string | undefined): string {
  if (unit === undefined || unit === "/") return "h";
  if (WITH_HOUR.includes(unit)) return `${unit}h`;
  return unit.endsWith("/h") ? unit.slice(0, -2) : `${unit}·h`;
}

/** Unit of a field's change per second. */
export function perSecondUnit(unit: string | undefined): string {
  return `${unit ?? 1}/s`;
}
