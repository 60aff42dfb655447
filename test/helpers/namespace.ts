/**
 * A network of a test's own: a namespace behind a veth pair, in which programs run that the rest of the machine reaches
 * under one address, and a firewall in it that loses and refuses packets. It goes away with the test.
 */
import { execFileSync } from "node:child_process";
import { onTestFinished } from "vitest";
import { findTool } from "./tools.js";

/** Packets of connections to a port inside. `in`: those that come to it, `out`: those that leave it. */
export type Lost = "in" | "out" | "both";

const TABLE = ["inet", "weir"];

const run = (program: string, ...args: readonly string[]): string =>
  execFileSync(findTool(program) ?? program, args, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });

export class Namespace {
  readonly #name: string;
  /** Of the inside, as seen from the outside. */
  readonly host: string;

  private constructor(name: string, host: string) {
    this.#name = name;
    this.host = host;
  }

  /** @returns why there is none: no right to make one, or a kernel without it */
  static make(): Namespace | string {
    const name = `weir-${process.pid}`;
    const [outside, inside] = [`wo${process.pid}`, `wi${process.pid}`];
    // Of the block for benchmarks of networks (RFC 2544), which no machine has a route to.
    const net = `198.18.${process.pid & 0xff}`;
    try {
      run("ip", "netns", "add", name);
      onTestFinished(() => void run("ip", "netns", "delete", name));
      run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name);
      run("ip", "address", "add", `${net}.1/30`, "dev", outside);
      run("ip", "link", "set", outside, "up");
      run("ip", "-n", name, "address", "add", `${net}.2/30`, "dev", inside);
      run("ip", "-n", name, "link", "set", inside, "up");
      run("ip", "-n", name, "link", "set", "lo", "up");
      const namespace = new Namespace(name, `${net}.2`);
      namespace.heal();
      return namespace;
    } catch (error) {
      return `no network namespace: ${error instanceof Error ? error.message.split("\n").at(-2) : String(error)}`;
    }
  }

  /** Stands before a command that is to run inside. */
  get under(): readonly string[] {
    return [findTool("ip")!, "netns", "exec", this.#name];
  }

  /** Loses packets of a port. @param percent of them, at random */
  lose(port: number, lost: Lost, percent = 100): void {
    const some = percent === 100 ? [] : ["numgen", "random", "mod", "100", "<", `${percent}`];
    if (lost !== "out") this.#rule("in", "tcp", "dport", `${port}`, ...some, "drop");
    if (lost !== "in") this.#rule("out", "tcp", "sport", `${port}`, ...some, "drop");
  }

  /** Answers whatever comes to a port with a reset. */
  refuse(port: number): void {
    this.#rule("in", "tcp", "dport", `${port}`, "reject", "with", "tcp", "reset");
  }

  /** Everything passes again. */
  heal(): void {
    for (const [chain, hook] of [
      ["in", "input"],
      ["out", "output"],
    ] as const) {
      this.#nft("add", "table", ...TABLE);
      this.#nft("add", "chain", ...TABLE, chain, "{", "type", "filter", "hook", hook, "priority", "0;", "}");
    }
    this.#nft("flush", "table", ...TABLE);
  }

  #rule(chain: string, ...words: readonly string[]): void {
    this.#nft("add", "rule", ...TABLE, chain, ...words);
  }

  #nft(...words: readonly string[]): void {
    const [ip, ...inside] = this.under;
    run(ip!, ...inside, findTool("nft")!, ...words);
  }
}
