import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";

/** A Node program that says something line by line. It is killed when this process ends. */
export class Child {
  readonly process: ChildProcess;
  readonly #lines: Interface;
  readonly #said: string[] = [];
  readonly #exit: Promise<number | null>;

  /**
   * @param listenTo the stream whose lines count; the other one is passed on or, if it is the output, dropped
   * @param options what runs it, Node in the end, and what is in its environment besides
   */
  constructor(
    argv: readonly string[],
    listenTo: "stdout" | "stderr",
    {
      command = process.execPath,
      env = {},
    }: { readonly command?: string; readonly env?: NodeJS.ProcessEnv } = {},
  ) {
    this.process = spawn(command, argv, {
      env: { ...process.env, ...env },
      stdio: ["pipe", listenTo === "stdout" ? "pipe" : "ignore", listenTo === "stderr" ? "pipe" : "inherit"],
    });
    this.#exit = once(this.process, "close").then(([code]) => code as number | null);
    this.#lines = createInterface({ input: this.process[listenTo]! });
    this.#lines.on("line", (line) => {
      if (this.#said.push(line) > 1_000) this.#said.shift();
    });
    const kill = () => this.process.kill("SIGKILL");
    process.once("exit", kill);
    void this.#exit.then(() => process.off("exit", kill));
  }

  get pid(): number {
    return this.process.pid!;
  }

  /** Everything it has said so far. */
  get said(): readonly string[] {
    return this.#said;
  }

  /** Resolves with the match of the first line, past ones included, that matches. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    for (const said of this.#said) {
      const match = pattern.exec(said);
      if (match !== null) return match;
    }
    return await new Promise((resolve, reject) => {
      const listen = (line: string) => {
        const match = pattern.exec(line);
        if (match === null) return;
        this.#lines.off("line", listen);
        resolve(match);
      };
      this.#lines.on("line", listen);
      void this.#exit.then((code) =>
        reject(new Error(`a process ended (${code}) without saying ${pattern}:\n${this.#said.join("\n")}`)),
      );
    });
  }

  tell(line: string): void {
    this.process.stdin!.write(`${line}\n`);
  }

  /** Waits for its end. @throws when it ends with a failure */
  async ended(): Promise<void> {
    const code = await this.#exit;
    if (code !== 0) throw new Error(`a process ended with ${code}:\n${this.#said.slice(-20).join("\n")}`);
  }

  async stop(): Promise<void> {
    this.process.kill("SIGTERM");
    await this.ended();
  }
}

/** Path of a program of this bench, beside this one. */
export function program(name: string): string {
  return new URL(`./${name}.js`, import.meta.url).pathname;
}
