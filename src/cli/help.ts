import type { Command, CommandEntry, OptionSpec } from "./command.js";

const WIDTH = 80;

/** `weir help`: every command on a line, and where to go next. */
export function overview(commands: readonly CommandEntry[]): string {
  const rows = commands.map(({ name, summary }) => [name, summary] as const);
  return [
    "Weir: a stream processor for IoT gateways",
    "",
    "Usage: weir COMMAND [OPTIONS]",
    "",
    "Commands:",
    ...table([...rows, ["help", "Explain a command: weir help COMMAND"]]),
    "",
    "Options:",
    ...table([
      ["-h, --help", "Show this, or a command's help after its name"],
      ["--version", "Print the version"],
    ]),
    "",
    "Exit codes: 0 fine, 1 a failure, 2 wrong usage or config.",
    "",
  ].join("\n");
}

/** `weir help NAME`: usage, what it is for, options and examples. */
export function commandHelp(command: Command): string {
  const options = Object.entries(command.options).map(
    ([name, option]) => [optionLabel(name, option), optionText(option)] as const,
  );
  const lines = [`Usage: weir ${command.name} ${command.usage}`.trimEnd(), ""];
  for (const paragraph of command.about.split("\n\n")) lines.push(...wrap(paragraph, WIDTH), "");
  if (options.length > 0) lines.push("Options:", ...table(options), "");
  if (command.examples.length > 0) {
    lines.push("Examples:");
    for (const { line, does } of command.examples) {
      lines.push(...wrap(does, WIDTH - 4).map((text) => `  # ${text}`), `  ${line}`, "");
    }
  }
  return lines.join("\n");
}

function optionLabel(name: string, option: OptionSpec): string {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  const value = option.type === "string" ? ` ${option.placeholder ?? "VALUE"}` : "";
  return `${short}--${name}${value}`;
}

function optionText(option: OptionSpec): string {
  const notes: string[] = [];
  if (option.default !== undefined) notes.push(`default: ${option.default}`);
  if (option.multiple === true) notes.push("may be given several times");
  return notes.length === 0 ? option.help : `${option.help} (${notes.join("; ")})`;
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const labelWidth = Math.min(30, Math.max(...rows.map(([label]) => label.length)));
  const lines: string[] = [];
  for (const [label, text] of rows) {
    const [first = "", ...rest] = wrap(text, WIDTH - labelWidth - 4);
    if (label.length > labelWidth) lines.push(`  ${label}`, `  ${" ".repeat(labelWidth)}  ${first}`);
    else lines.push(`  ${label.padEnd(labelWidth)}  ${first}`);
    for (const line of rest) lines.push(`  ${" ".repeat(labelWidth)}  ${line}`);
  }
  return lines;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}
