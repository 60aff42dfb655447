/**
 * Extremes of as many numbers as there are. `Math.min` and `Math.max` take them as arguments, which lie on the stack: a
 * hundred thousand devices do not fit.
 */
export function least(numbers: Iterable<number>): number {
  let min = Number.POSITIVE_INFINITY;
  for (const number of numbers) if (number < min) min = number;
  return min;
}

/** @returns -Infinity for none */
export function greatest(numbers: Iterable<number>): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const number of numbers) if (number > max) max = number;
  return max;
}
