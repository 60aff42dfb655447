/** The table that a person watches: from the view to lines of at most `width` characters. Knows no terminal. */
import type { Summary, SummaryField } from "../model/summary.js";
import type { Style } from "./style.js";
import { formatClock, type Note, type Row, type View } from "./view.js";
import {
  cell,
  cut,
  formatCount,
  formatNumber,
  formatReasons,
  formatUnit,
  printable,
  sumOf,
} from "./words.js";

export interface TableOptions {
  readonly width: number;
  readonly nowMs: number;
  readonly style: Style;
}

const GAP = "  ";
/** Every device here speaks more often. */
const SILENT_MS = 3_500;
/** Below it, the columns that can be spared make room for the others. */
const WIDE = 100;

/** Widths in characters; 0 for a column that is left out. */
interface Columns {
  readonly device: number;
  readonly window: number;
  readonly revision: number;
  readonly values: number;
  readonly accepted: number;
  readonly rejected: number;
}

/** A heading and a line for each device. */
export function renderRows(rows: readonly Row[], options: TableOptions): string[] {
  const columns = measure(rows, options.width);
  const heading = [
    cell("DEVICE", columns.device),
    cell("WINDOW", columns.window),
    cell("REV", columns.revision, "right"),
    cell(columns.revision > 0 ? "MEAN (MIN…MAX), AS RECEIVED UPSTREAM" : "UPSTREAM", columns.values),
    cell("ACCEPTED", columns.accepted, "right"),
    cell("REJECTED", columns.rejected),
  ];
  return [options.style.dim(line(heading)), ...rows.map((row) => renderRow(row, columns, options))];
}

/** Names get what they need, reasons up to a third, values the rest. */
function measure(rows: readonly Row[], width: number): Columns {
  const wide = width >= WIDE;
  const longest = (texts: readonly string[], max: number) =>
    Math.min(max, Math.max(8, ...texts.map((text) => text.length)));
  const names = rows.map((row) => row.device);
  const reasons = rows.map((row) => formatReasons(row.counts?.rejected ?? {}));
  const sized = {
    device: longest(names, wide ? 20 : Math.max(8, Math.floor(width / 5))),
    window: wide ? 10 : 8,
    revision: wide ? 3 : 0,
    accepted: 8,
    rejected: longest(reasons, Math.max(8, Math.floor(width * (wide ? 0.3 : 0.22)))),
  };
  const { length } = Object.values(sized).filter((size) => size > 0);
  const taken = Object.values(sized).reduce((sum, size) => sum + size, length * GAP.length);
  return { ...sized, values: Math.max(4, width - taken) };
}

function line(cells: readonly string[]): string {
  return cells
    .filter((text) => text !== "")
    .join(GAP)
    .trimEnd();
}

function renderRow(row: Row, columns: Columns, options: TableOptions): string {
  const { latest, counts } = row;
  const { style } = options;
  const revision = latest === undefined ? "" : String(latest.revision);
  const accepted = counts === undefined ? "" : formatCount(counts.accepted);
  return line([
    style.name(cell(printable(row.device), columns.device)),
    renderWindow(row, columns.window, options),
    style.dim(cell(revision, columns.revision, "right")),
    renderValues(latest, columns.values, style),
    cell(accepted, columns.accepted, "right"),
    style.warn(cut(formatReasons(counts?.rejected ?? {}), columns.rejected)),
  ]);
}

/** Start of the newest window, or since when nothing has come. */
function renderWindow({ latest, counts }: Row, width: number, { nowMs, style }: TableOptions): string {
  const silentMs = nowMs - (counts?.lastTimeMs ?? nowMs);
  if (silentMs > SILENT_MS) {
    const seconds = `${Math.round(silentMs / 1_000)}s`;
    return style.warn(cell(width < 10 ? `${seconds} ago` : `silent ${seconds}`, width));
  }
  const start = latest?.window.start;
  return start === undefined ? style.dim(cell("open", width)) : cell(formatClock(Date.parse(start)), width);
}

/** As many fields as there is room for; how many more there are is said. */
export function renderValues(summary: Summary | undefined, width: number, style: Style): string {
  const fields = Object.entries(summary?.fields ?? {});
  let shown = "";
  let used = 0;
  for (const [index, [name, field]] of fields.entries()) {
    const more = fields.length - index - 1;
    const room = width - used - (used === 0 ? 0 : GAP.length) - (more > 0 ? ` +${more}`.length : 0);
    const texts = fieldTexts(name, field, style);
    const text = (index === 0 ? texts : texts.slice(0, -1)).find(({ plain }) => plain.length <= room);
    if (text === undefined) {
      const rest = index === 0 ? cut(`+${fields.length}`, width) : ` +${more + 1}`;
      return shown + style.dim(rest) + " ".repeat(Math.max(0, width - used - rest.length));
    }
    shown += (used === 0 ? "" : GAP) + text.styled;
    used += (used === 0 ? 0 : GAP.length) + text.plain.length;
  }
  return shown + " ".repeat(Math.max(0, width - used));
}

interface Text {
  readonly plain: string;
  readonly styled: string;
}

/** From the fullest to the shortest; a lone value says enough in a narrow column. */
function fieldTexts(name: string, field: SummaryField, style: Style): readonly Text[] {
  const { mean, min, max, last } = field;
  const unit = formatUnit(field.unit);
  const value = typeof mean === "number" ? formatNumber(mean) : printable(String(last ?? field.count));
  const short: Text = {
    plain: `${name} ${value}${unit}`,
    styled: `${style.dim(name)} ${style.bold(value)}${unit}`,
  };
  const bare: Text = { plain: value + unit, styled: style.bold(value) + unit };
  if (typeof min !== "number" || typeof max !== "number" || min === max) return [short, bare];
  const range = ` (${formatNumber(min)}…${formatNumber(max)})`;
  return [{ plain: short.plain + range, styled: short.styled + style.dim(range) }, short, bare];
}

/** `received = accepted + rejected`, why, and how much less goes upstream. */
export function renderTotals(view: View, { width, style }: TableOptions): string[] {
  const { received, accepted, rejected } = view.totals;
  const reasons = formatReasons(rejected);
  const sum = `${formatCount(received)} readings received = ${formatCount(accepted)} accepted + ${formatCount(sumOf(rejected))} rejected`;
  const upstream = `${formatCount(view.summaries)} summaries upstream, ${formatCount(view.revised)} of them changed by late readings`;
  const lines =
    sum.length + reasons.length + 2 <= width
      ? [style.bold(sum) + (reasons === "" ? "" : style.warn(`: ${reasons}`))]
      : [style.bold(cut(sum, width)), style.warn(cut(reasons, width))];
  return [...lines, cut(upstream, width)];
}

export function renderNote({ atMs, who, text }: Note, { width, style }: TableOptions): string {
  const time = formatClock(atMs);
  const name = printable(who);
  const room = width - time.length - name.length - GAP.length - 1;
  return `${style.dim(time)}${GAP}${style.name(name)} ${cut(printable(text), room)}`;
}
