/**
 * Counters of what happened, by event and by a few labels (which source, which target, which reason).
 *
 * Bounded: only fields named in `LABELS` become labels, and each event keeps `seriesPerEventMax` combinations of
 * them; what comes beyond is counted under the label value `other`, so that a total is exact whatever happens.
 */

/** The fields of events that tell one part of the gateway from another; never a device, a topic or a message. */
const LABELS = ["source", "target", "profile", "reason", "state", "code"] as const;

const LABEL_CHARACTERS_MAX = 64;

export interface CounterSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Counters {
  /**
   * Adds one for an event with these fields.
   * @returns the key of the series it was counted under; there are never more keys than series
   */
  count(name: string, fields: Readonly<Record<string, unknown>>): string;
  /** Everything counted since the start, in the order of first appearance. */
  snapshot(): CounterSample[];
}

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

export function createCounters(options: { readonly seriesPerEventMax?: number } = {}): Counters {
  const seriesMax = options.seriesPerEventMax ?? 64;
  const events = new Map<string, Map<string, Series>>();

  return {
    count(name, fields) {
      const series = events.get(name) ?? new Map<string, Series>();
      events.set(name, series);
      let labels = labelsOf(fields);
      let key = keyOf(labels);
      if (!series.has(key) && series.size >= seriesMax - 1) {
        labels = Object.fromEntries(Object.keys(labels).map((label) => [label, "other"]));
        key = "other";
      }
      const found = series.get(key);
      if (found === undefined) series.set(key, { labels, value: 1 });
      else found.value++;
      return `${name} ${key}`;
    },
    snapshot() {
      const samples: CounterSample[] = [];
      for (const [name, series] of events) {
        for (const { labels, value } of series.values()) samples.push({ name, labels, value });
      }
      return samples;
    },
  };
}

function labelsOf(fields: Readonly<Record<string, unknown>>): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const label of LABELS) {
    const value = fields[label];
    if (typeof value === "string") labels[label] = value.slice(0, LABEL_CHARACTERS_MAX);
  }
  return labels;
}

function keyOf(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels));
}
