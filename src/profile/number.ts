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
