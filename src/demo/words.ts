/** How the demo writes numbers, units and counts for a person. */

/** At most four significant digits, but all those before the decimal point. */
export function formatNumber(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(4)));
}

export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

const UNITS: Readonly<Record<string, string>> = { Cel: "°C", "%RH": "%", "%EL": "%", "/": "" };

/** With the blank before it. */
export function formatUnit(unit: unknown): string {
  if (typeof unit !== "string") return "";
  const text = UNITS[unit] ?? unit;
  return text === "" ? "" : ` ${text}`;
}

/** `3 duplicate, 1 late`, most first. */
export function formatReasons(rejected: Readonly<Partial<Record<string, number>>>): string {
  return Object.entries(rejected)
    .filter((entry): entry is [string, number] => (entry[1] ?? 0) > 0)
    .sort((a, b) => b[1] - a[1])
    .map(([reason, count]) => `${formatCount(count)} ${reason}`)
    .join(", ");
}

export function sumOf(rejected: Readonly<Partial<Record<string, number>>>): number {
  return Object.values(rejected).reduce<number>((sum, count) => sum + (count ?? 0), 0);
}

/** Names come from devices: nothing in them may move the cursor. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Z}]/gu, (found) => (found === " " ? found : "?"));
}

/** At most `width` characters; what is missing shows as an ellipsis. */
export function cut(text: string, width: number): string {
  return text.length <= width
    ? text
    : `${text.slice(0, Math.max(0, width - 1))}…`.slice(0, Math.max(0, width));
}

/** Exactly `width` characters. */
export function cell(text: string, width: number, align: "left" | "right" = "left"): string {
  return align === "left" ? cut(text, width).padEnd(width) : cut(text, width).padStart(width);
}
