import type { Outcome } from "./simulation.js";

/** What many simulations have seen, in figures. */
export class Tally {
  #runs = 0;
  #lives = 0;
  #readings = 0;
  #acknowledged = 0;
  #summaries = 0;
  #simulatedMs = 0;
  readonly #events = new Map<string, number>();
  readonly #startMs = performance.now();

  add(outcome: Outcome): void {
    this.#runs++;
    this.#lives += outcome.lives;
    this.#readings += outcome.readings;
    this.#acknowledged += outcome.acknowledged;
    this.#summaries += outcome.summaries;
    this.#simulatedMs += outcome.simulatedMs;
    for (const [name, count] of Object.entries(outcome.events)) {
      this.#events.set(name, (this.#events.get(name) ?? 0) + count);
    }
  }

  #count(event: string): number {
    return this.#events.get(event) ?? 0;
  }

  line(): string {
    const speed = Math.round(this.#simulatedMs / (performance.now() - this.#startMs));
    const hours = Math.round(this.#simulatedMs / 3_600_000);
    return [
      `${this.#runs} seeds`,
      `${hours} h simulated at ${speed} times their speed`,
      `${this.#lives} lives of the agent`,
      `${this.#readings} readings`,
      `${this.#acknowledged} acknowledged`,
      `${this.#summaries} deliveries`,
      `${this.#count("store-write-failed")} failed writes`,
      `${this.#count("log-coarsened")} times windows were merged`,
      `${this.#count("log-unsent-dropped")} times not even that was enough`,
    ].join(", ");
  }
}
