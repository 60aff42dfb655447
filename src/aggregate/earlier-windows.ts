import type { AccumulatorState, FieldPartials, Partials } from "../model/partials.js";
import type { OrderedAccumulator } from "./cells.js";

/**
 * What the windows before one knew last, where the readings of a device came through several gateways in turn: the
 * last value before a window may have come through another one than the first in it.
 *
 * Of windows that follow one another, the last one with a value of the field is enough. Of windows that overlap, one
 * that began earlier may have its last value behind the start of the next; so the others are kept, too, until it has
 * none there.
 */
export class EarlierWindows {
  readonly #overlapping: boolean;
  readonly #byField = new Map<string, FieldPartials[]>();

  constructor(on: { readonly overlapping: boolean }) {
    this.#overlapping = on.overlapping;
  }

  /** Takes what windows have gathered; none of them began before those of the last call. */
  learn(all: readonly Partials[]): void {
    for (const partials of all) {
      for (const [name, field] of Object.entries(partials)) {
        const known = this.#overlapping ? (this.#byField.get(name) ?? []) : [];
        this.#byField.set(name, [...known, field]);
      }
    }
  }

  /** The state with the last value of the field before a time, which never goes back. */
  last(name: string, accumulator: OrderedAccumulator, beforeMs: number): AccumulatorState | undefined {
    let best: FieldPartials | undefined;
    let bestMs = Number.NEGATIVE_INFINITY;
    const known = this.#byField.get(name) ?? [];
    const later: FieldPartials[] = [];
    for (const field of known) {
      const saved = field.state[accumulator.name];
      const lastMs = saved === undefined ? Number.POSITIVE_INFINITY : accumulator.span(saved)[1];
      if (lastMs >= beforeMs) later.push(field);
      else if (lastMs > bestMs) {
        best = field;
        bestMs = lastMs;
      }
    }
    if (best === undefined) return undefined;
    this.#byField.set(name, [best, ...later]);
    return best.state[accumulator.name];
  }
}
