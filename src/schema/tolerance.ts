/**
 * What is merely pointless in a file (a comparison that never holds, a value listed twice, more windows than there may be)
 * is refused, because nobody means it. A definition that is kept with the state was taken once, maybe by an earlier
 * program that did not look so closely; what has been gathered can only be read with it. Of it nothing is refused but
 * what cannot be read.
 */

let tolerant = false;

/** Runs what reads such a definition, which must not await. */
export function tolerantly<T>(read: () => T): T {
  const before = tolerant;
  tolerant = true;
  try {
    return read();
  } finally {
    tolerant = before;
  }
}

/** To be asked by every rule that refuses what could be worked with. */
export function isTolerant(): boolean {
  return tolerant;
}
