/** Words longer than this are not compared; nobody mistypes them by a letter or two. */
const WORD_CHARACTERS_MAX = 64;
/** Fewer letters are no abbreviation that says anything. */
const ABBREVIATION_CHARACTERS_MIN = 3;

/**
 * The candidate that a person most likely meant, or undefined when none is close: at most a third of the letters
 * differ (insertions, deletions, replacements and swaps of neighbours; the optimal string alignment distance), or one
 * is how the other begins. Upper and lower case count as equal; of equally close candidates the first wins.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > WORD_CHARACTERS_MAX) return undefined;
  const wanted = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    if (candidate.length > WORD_CHARACTERS_MAX) continue;
    const offered = candidate.toLowerCase();
    const distance = alignmentDistance(wanted, offered);
    const allowed = Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3));
    if (
      (distance > allowed && !abbreviates(wanted, offered)) ||
      distance >= Math.max(word.length, candidate.length)
    )
      continue;
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

function abbreviates(a: string, b: string): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length >= ABBREVIATION_CHARACTERS_MIN && long.startsWith(short);
}

function alignmentDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) cost = Math.min(cost, beforeLast[column - 2]! + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length]!;
}
