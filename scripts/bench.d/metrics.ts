/** Measured once for Weir and, where there is something to compare with, once for the reference. */
export interface Sample {
  readonly metric: string;
  readonly unit: string;
  readonly value: number;
  readonly reference?: number;
}

/** One metric of a bench over all repetitions. */
export interface Metric {
  readonly bench: string;
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  readonly reference: number | null;
  /** Of value to reference, as the median over the repetitions: they share what disturbs both. */
  readonly ratio: number | null;
  /** Least and greatest value. */
  readonly range: readonly [number, number];
}

/** @param repetitions the same metrics in the same order, once per repetition */
export function summarise(bench: string, repetitions: readonly (readonly Sample[])[]): Metric[] {
  return repetitions[0]!.map(({ metric, unit }, i) => {
    const samples = repetitions.map((samplesOfOne) => samplesOfOne[i]!);
    const values = samples.map(({ value }) => value);
    const compared = samples.filter((sample): sample is Required<Sample> => (sample.reference ?? 0) > 0);
    const none = compared.length === 0;
    return {
      bench,
      metric,
      value: median(values),
      unit,
      reference: none ? null : median(compared.map(({ reference }) => reference)),
      ratio: none ? null : median(compared.map(({ value, reference }) => value / reference)),
      range: [Math.min(...values), Math.max(...values)],
    };
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The line of `--json`. */
export function jsonLine({ bench, metric, value, unit, reference, ratio }: Metric): string {
  const rounded = (x: number | null) => (x === null ? null : Number(x.toPrecision(6)));
  return JSON.stringify({
    bench,
    metric,
    value: rounded(value),
    unit,
    reference: rounded(reference),
    ratio: rounded(ratio),
  });
}

const COLUMNS = ["bench", "metric", "median", "unit", "range", "reference", "ratio"] as const;

/** The table that people read. */
export function table(metrics: readonly Metric[]): string {
  const rows = metrics.map((m, i) => [
    m.bench === metrics[i - 1]?.bench ? "" : m.bench,
    m.metric,
    shown(m.value),
    m.unit,
    m.range[0] === m.range[1] ? "" : `${shown(m.range[0])} … ${shown(m.range[1])}`,
    m.reference === null ? "" : shown(m.reference),
    m.ratio === null ? "" : m.ratio.toFixed(2),
  ]);
  const all = [[...COLUMNS], ...rows];
  const widths = COLUMNS.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const isText = (column: number) => [0, 1, 3].includes(column);
  const lines = all.map((row) =>
    row
      .map((cell, column) => (isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}

function shown(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
