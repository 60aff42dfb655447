/**
 * All the chance of a simulation, from one number. Each part has a stream of its own, named, so that what one part
 * draws does not change what another one meets.
 */
export class Dice {
  #state: number;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#state = seed;
  }

  /** A stream of its own; the same for the same seed and name. */
  fork(name: string): Dice {
    let hash = this.#seed ^ 0x9e3779b9;
    for (let i = 0; i < name.length; i++) hash = scramble(hash ^ name.charCodeAt(i));
    return new Dice(hash);
  }

  /** Uniform in [0, 1). Mulberry32 (T. Ettinger, public domain). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    return (scramble(this.#state) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number from `from` to `to`, both included. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)]!;
  }

  /** Each with the probability; at least one. */
  some<T>(items: readonly T[], probability: number): T[] {
    const chosen = items.filter(() => this.chance(probability));
    return chosen.length > 0 ? chosen : [this.pick(items)];
  }

  /** Waiting time of a Poisson process. */
  wait(meanMs: number): number {
    return -Math.log(1 - this.next()) * meanMs;
  }
}

function scramble(x: number): number {
  let t = Math.imul(x ^ (x >>> 15), x | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return t ^ (t >>> 14);
}
