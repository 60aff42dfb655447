/** What arrives upstream: summaries as a receiver keeps them, highest revision per id. */
import { connectAsync } from "mqtt";
import { onTestFinished } from "vitest";
import type { Summary } from "../../src/model/summary.js";

export class Summaries {
  /** Every line as it came, repetitions and all. */
  readonly lines: string[] = [];
  /** The lines without repetitions, in the order in which each came first. */
  readonly first: string[] = [];
  /** The same revision of the same summary says the same, however often it comes; what does not is here. */
  readonly contradictions: string[] = [];
  readonly #byRevision = new Map<string, string>();
  readonly #latest = new Map<string, Summary>();

  add(line: string): void {
    this.lines.push(line);
    const summary = JSON.parse(line) as Summary;
    const name = `${summary.id}#${summary.revision}`;
    const before = this.#byRevision.get(name);
    if (before !== undefined) {
      if (before !== line) this.contradictions.push(before, line);
      return;
    }
    this.#byRevision.set(name, line);
    this.first.push(line);
    const latest = this.#latest.get(summary.id);
    if (latest === undefined || latest.revision < summary.revision) this.#latest.set(summary.id, summary);
  }

  latest(): Summary[] {
    return [...this.#latest.values()];
  }

  /** Revisions that never came although a higher one of the same summary did. */
  gaps(): string[] {
    return this.latest().flatMap(({ id, revision }) =>
      Array.from({ length: revision }, (_, i) => `${id}#${i}`).filter((name) => !this.#byRevision.has(name)),
    );
  }

  get finals(): number {
    return this.latest().filter(({ final }) => final).length;
  }
}

/**
 * A subscriber with a persistent session, QoS 1, that comes back whenever the broker does.
 * @param root first level of the target's topics
 */
export async function subscribeUpstream(url: string, root = "edge"): Promise<Summaries> {
  const received = new Summaries();
  const client = await connectAsync(url, {
    clientId: `upstream-${root}`,
    clean: false,
    reconnectPeriod: 50,
    resubscribe: true,
  });
  onTestFinished(() => client.endAsync(true));
  client.on("message", (_topic, payload) => received.add(payload.toString()));
  await client.subscribeAsync(`${root}/+/+/d/#`, { qos: 1 });
  return received;
}

/** A summary without what depends on how its readings came and which gateway it was; key order as it is. */
export function bodyOf(summary: Summary): string {
  const { id, revision: _, quality: __, gateway: ___, ...rest } = summary;
  return JSON.stringify({ id: id.slice(id.indexOf("/") + 1), ...rest });
}

export function bodies(summaries: Iterable<Summary>): string[] {
  return [...summaries].map(bodyOf).sort();
}
