import { type ParseArgsConfig, parseArgs } from "node:util";
import { WeirError } from "../model/errors.js";
import { nearest } from "../model/nearest.js";

/** Exit codes of every command. */
export const EXIT = {
  ok: 0,
  /** Something that was right to ask for went wrong. */
  failure: 1,
  /** The command line, the config or a profile is wrong. */
  usage: 2,
} as const;

/** What a command may touch of its process; tests hand in their own. */
export interface CommandIo {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly env: NodeJS.ProcessEnv;
}

/** One option: what `node:util` parseArgs takes, and how help shows it. */
export interface OptionSpec {
  readonly type: "string" | "boolean";
  readonly short?: string;
  readonly multiple?: boolean;
  readonly default?: string;
  /** What stands for the value in help: `FILE`. */
  readonly placeholder?: string;
  readonly help: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

type ValueOf<O extends OptionSpec> = O["type"] extends "boolean" ? boolean : string;

/** The parsed values by option name; absent options are undefined unless they have a default. */
export type OptionValues<O extends OptionSpecs> = {
  readonly [K in keyof O]: O[K] extends { readonly multiple: true }
    ? readonly ValueOf<O[K]>[] | undefined
    : O[K] extends { readonly default: string }
      ? string
      : ValueOf<O[K]> | undefined;
};

export interface CommandArguments<O extends OptionSpecs> {
  readonly values: OptionValues<O>;
  readonly positionals: readonly string[];
}

/** A command as its file declares it: `export const command = defineCommand({ … })`. */
export interface CommandSpec<O extends OptionSpecs> {
  readonly name: string;
  /** After the name: `-c FILE [PROFILE…]`. */
  readonly usage: string;
  /** One or a few paragraphs for `weir help NAME`. */
  readonly about: string;
  /** Command lines with what they do. */
  readonly examples: readonly { readonly line: string; readonly does: string }[];
  readonly options: O;
  /** How many arguments besides options it takes; none when absent. */
  readonly positionals?: { readonly min?: number; readonly max?: number };
  /** @returns the exit code; a thrown `WeirError` is printed with its hint and gives 1, or 2 for `bad-usage` and `no-profiles` */
  run(input: CommandArguments<O>, io: CommandIo): Promise<number>;
}

/** A command as the dispatcher sees it. */
export interface Command extends Omit<CommandSpec<OptionSpecs>, "run"> {
  /** Reads its command line (without the command's name) and runs it. */
  execute(args: readonly string[], io: CommandIo): Promise<number>;
}

/** One line of `weir help`. The command itself is loaded only when it is used, so that help is instant. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

export function defineCommand<const O extends OptionSpecs>(spec: CommandSpec<O>): Command {
  return {
    ...spec,
    execute: (args, io) => spec.run(parseCommandLine(spec, args), io),
  };
}

/** An error that is the caller's of the command line: exit code 2. */
export function usageError(message: string, hint?: string): WeirError {
  return new WeirError("bad-usage", message, hint === undefined ? {} : { hint });
}

function parseCommandLine<O extends OptionSpecs>(
  spec: CommandSpec<O>,
  args: readonly string[],
): CommandArguments<O> {
  rejectUnknownOptions(spec, args);
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({
      args: [...args],
      options: spec.options as NonNullable<ParseArgsConfig["options"]>,
      allowPositionals: true,
    });
  } catch (error) {
    // Node's messages name the option and what is wrong with it; its advice after the first sentence is about `--`.
    const message = error instanceof Error ? (error.message.split(". ")[0] ?? error.message) : String(error);
    throw usageError(message, `weir help ${spec.name} shows the options`);
  }
  checkPositionals(spec, parsed.positionals);
  return { values: parsed.values as OptionValues<O>, positionals: parsed.positionals };
}

function checkPositionals(spec: CommandSpec<OptionSpecs>, positionals: readonly string[]): void {
  const { min = 0, max = spec.positionals === undefined ? 0 : Number.POSITIVE_INFINITY } =
    spec.positionals ?? {};
  const hint = `usage: weir ${spec.name} ${spec.usage}`;
  if (positionals.length < min) throw usageError(`weir ${spec.name} needs more arguments`, hint);
  if (positionals.length > max) throw usageError(`unexpected argument '${positionals[max]}'`, hint);
}

/** parseArgs alone would report an unknown option without a guess at what was meant. */
function rejectUnknownOptions(spec: CommandSpec<OptionSpecs>, args: readonly string[]): void {
  const { tokens } = parseArgs({
    args: [...args],
    options: spec.options as NonNullable<ParseArgsConfig["options"]>,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind !== "option" || Object.hasOwn(spec.options, token.name)) continue;
    const guess = nearest(token.name, Object.keys(spec.options));
    throw usageError(
      `unknown option '${token.rawName}' for weir ${spec.name}`,
      guess === undefined ? `weir help ${spec.name} shows the options` : `did you mean --${guess}?`,
    );
  }
}
