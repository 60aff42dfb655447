/** Calendar arithmetic in the proleptic Gregorian calendar, without time zones and without `Date`. */

export const DAY_MS = 86_400_000;

/**
 * Days from 1970-01-01 to a date, negative before it. Years are counted from March so that the leap day comes last
 * and a month's offset is a linear function (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
 * @param month 1 to 12
 */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const shifted = month <= 2 ? month + 9 : month - 3;
  const dayOfYear = Math.floor((153 * shifted + 2) / 5) + day - 1;
  return 365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

export function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** @param month 1 to 12 */
export function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Milliseconds since midnight; hour 24 only as midnight, second 60 as the next second; NaN out of range. */
export function clockMs(hour: number, minute: number, second: number): number {
  if (hour < 0 || minute < 0 || second < 0 || minute > 59 || second > 60) return Number.NaN;
  if (hour > 23 && !(hour === 24 && minute === 0 && second === 0)) return Number.NaN;
  return hour * 3_600_000 + minute * 60_000 + second * 1_000;
}
