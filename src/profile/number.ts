/**
 * A number as devices write it: decimal digits with an optional sign, point and exponent. `Number` alone also takes
 * "", "0x1F", "Infinity" and a lone blank, none of which is a reading.
 * @returns NaN for anything else, and for what a double cannot hold
 */
export function parseNumber(text: string): number {
  const length = text.length;
  if (length === 0 || length > 64) return Number.NaN;
  for (let i = 0; i < length; i += 1) {
    const c = text.charCodeAt(i);
    // 0-9, point, signs, exponent; blanks are trimmed by `Number`, but alone they are nothing.
    if ((c >= 48 && c <= 57) || c === 46 || c === 45 || c === 43 || c === 101 || c === 69) continue;
    if (c === 32 && text.trim() !== "") continue;
    return Number.NaN;
  }
  const value = Number(text);
  return value - value === 0 ? value : Number.NaN;
}

/** Decimal places that a number may be rounded to: a double has no more than some sixteen digits. */
export const PLACES_MAX = 15;
const FACTORS = Array.from({ length: PLACES_MAX + 1 }, (_, places) => Number(`1e${places}`));

/**
 * Half away from zero, as people round, on the shortest decimal form of the number: 1.005 is 1.01, although the double
 * is a little less. The result is the double nearest to the decimal: 21.4, not 21.400000000000002.
 * @param places 0 to `PLACES_MAX`, whole
 */
export function roundTo(x: number, places: number): number {
  const magnitude = Math.abs(x);
  const factor = FACTORS[places]!;
  const shifted = magnitude * factor;
  // No fraction is left, or it is not finite.
  if (!(shifted < 2 ** 52)) return x;
  const isNearHalf = Math.abs(shifted - Math.floor(shifted) - 0.5) <= shifted * 2 ** -50;
  const rounded = (isNearHalf ? roundedDigits(magnitude, places) : Math.round(shifted)) / factor;
  return x < 0 && rounded !== 0 ? -rounded : rounded;
}

/** How many units of the last place, by the digits as they are written. */
function roundedDigits(magnitude: number, places: number): number {
  const [number, exponent = "0"] = String(magnitude).split("e") as [string, string?];
  const [whole, fraction = ""] = number.split(".") as [string, string?];
  const digits = whole + fraction;
  const point = whole.length + Number(exponent) + places;
  if (point < 0) return 0;
  const units = Number(digits.slice(0, point).padEnd(point, "0"));
  return digits.charCodeAt(point) >= FIVE ? units + 1 : units;
}

const FIVE = 0x35;
