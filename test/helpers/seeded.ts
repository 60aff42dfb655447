/** Choices of a test that must be repeatable: `WEIR_SEED=… ` makes the same ones again. */
export interface Seeded {
  /** Uniform in [0, 1). */
  next(): number;
  /** A whole number from 0 to `below - 1`. */
  below(below: number): number;
  /** The same items in the order of their place plus up to `distance`: nothing gets further behind than that. */
  disordered<T>(items: readonly T[], distance: number): T[];
}

/** @param what printed with the seed, so that a failure can be repeated */
export function seeded(what: string): Seeded {
  const seed = Number(process.env.WEIR_SEED ?? Date.now() % 2 ** 31);
  console.log(`${what}: WEIR_SEED=${seed}`);
  let state = seed;
  // Mulberry32 (T. Ettinger, public domain).
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    below: (below) => Math.floor(next() * below),
    disordered: (items, distance) =>
      items
        .map((item, index) => ({ item, place: index + next() * distance }))
        .sort((a, b) => a.place - b.place)
        .map(({ item }) => item),
  };
}

/** The random moment of a fault; nothing is waited for. */
export function moment(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
