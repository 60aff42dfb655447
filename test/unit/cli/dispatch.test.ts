import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type CommandEntry, defineCommand, EXIT } from "../../../src/cli/command.js";
import { COMMANDS } from "../../../src/cli/commands.js";
import { dispatch } from "../../../src/cli/dispatch.js";
import { WeirError } from "../../../src/model/errors.js";
import { testIo } from "../../helpers/cli.js";

const greet = defineCommand({
  name: "greet",
  usage: "[--loud] [-n NAME] FILE",
  about: "Greets.\n\nA second paragraph.",
  examples: [{ line: "weir greet -n Ada x", does: "greet Ada" }],
  options: {
    name: { type: "string", short: "n", placeholder: "NAME", default: "you", help: "Whom to greet" },
    loud: { type: "boolean", help: "Shout" },
    tag: { type: "string", multiple: true, help: "Something to add" },
  },
  positionals: { min: 1, max: 1 },
  async run({ values, positionals }, io) {
    if (positionals[0] === "fail") throw new WeirError("no-voice", "cannot greet", { hint: "drink tea" });
    if (positionals[0] === "bug") throw new TypeError("undefined is not a function");
    const tags = (values.tag ?? []).join("+");
    const text = `hello ${values.name} ${tags}`.trim();
    io.stdout.write(`${values.loud === true ? text.toUpperCase() : text}\n`);
    return EXIT.ok;
  },
});

let loads = 0;
const commands: readonly CommandEntry[] = [
  {
    name: "greet",
    summary: "Greet somebody",
    load: () => {
      loads++;
      return Promise.resolve(greet);
    },
  },
];

async function weir(...args: string[]) {
  const { io, written } = testIo();
  const code = await dispatch(args, io, commands);
  return { code, ...written };
}

describe("the command line", () => {
  it("runs a command with typed options", async () => {
    expect(await weir("greet", "-n", "Ada", "--tag", "a", "--tag=b", "f")).toEqual({
      code: 0,
      stdout: "hello Ada a+b\n",
      stderr: "",
    });
    expect((await weir("greet", "--loud", "f")).stdout).toBe("HELLO YOU\n");
  });

  it("guesses at a mistyped command or option, and exits with 2", async () => {
    const command = await weir("gret");
    expect(command).toMatchObject({ code: 2, stdout: "" });
    expect(command.stderr).toBe("weir: unknown command 'gret'\n  did you mean greet?\n");
    const option = await weir("greet", "--lout", "f");
    expect(option).toMatchObject({ code: 2, stdout: "" });
    expect(option.stderr).toBe("weir: unknown option '--lout' for weir greet\n  did you mean --loud?\n");
    expect((await weir("--versoin")).stderr).toContain("did you mean --version?");
    expect((await weir("zzz")).stderr).toContain("commands: greet, help");
  });

  it("exits with 2 for a missing value, too few or too many arguments, and a value for a switch", async () => {
    for (const args of [["-n"], [], ["a", "b"], ["--loud=yes", "f"], ["-x", "f"]]) {
      const { code, stdout, stderr } = await weir("greet", ...args);
      expect([args, code, stdout]).toEqual([args, 2, ""]);
      expect(stderr).toMatch(/^weir: .+\n {2}.+\n$/);
    }
  });

  it("takes what follows -- as arguments, even when it looks like a call for help", async () => {
    expect(await weir("greet", "--", "--help")).toMatchObject({ code: 0, stdout: "hello you\n" });
  });

  it("prints a failure with its hint and no stack, a defect with its stack", async () => {
    expect(await weir("greet", "fail")).toEqual({
      code: 1,
      stdout: "",
      stderr: "weir: cannot greet\n  drink tea\n",
    });
    const defect = await weir("greet", "bug");
    expect(defect.code).toBe(1);
    expect(defect.stderr).toContain("dispatch.test.ts");
  });

  it("shows help on request on stdout, and on stderr with 2 when there is nothing to do", async () => {
    loads = 0;
    const help = await weir("help");
    expect(help.code).toBe(0);
    expect(help.stdout).toMatch(/^ {2}greet +Greet somebody$/m);
    expect(await weir()).toEqual({ code: 2, stdout: "", stderr: help.stdout });
    expect((await weir("--help")).stdout).toBe(help.stdout);
    expect(loads).toBe(0);
  });

  it("shows a command's options, defaults and examples in three ways", async () => {
    const { code, stdout } = await weir("help", "greet");
    expect(code).toBe(0);
    expect(stdout).toContain("Usage: weir greet [--loud] [-n NAME] FILE");
    expect(stdout).toContain("-n, --name NAME");
    expect(stdout).toContain("Whom to greet (default: you)");
    expect(stdout).toContain("  # greet Ada\n  weir greet -n Ada x\n");
    expect((await weir("greet", "--help")).stdout).toBe(stdout);
    expect((await weir("greet", "-h")).stdout).toBe(stdout);
    expect((await weir("help", "gret")).code).toBe(2);
  });

  it("prints the package's version", async () => {
    const manifest = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(await weir("--version")).toEqual({ code: 0, stdout: `weir ${manifest.version}\n`, stderr: "" });
  });
});

describe("every command of Weir", () => {
  it.each(COMMANDS)("$name loads, and its help fits a terminal and has examples", async ({ name, load }) => {
    const command = await load();
    expect(command.name).toBe(name);
    expect(command.examples.length).toBeGreaterThan(0);
    const { io, written } = testIo();
    expect(await dispatch(["help", name], io, COMMANDS)).toBe(0);
    const wide = written.stdout.split("\n").filter((line) => line.length > 100);
    expect(wide).toEqual([]);
    expect(command.examples[0]!.line).toMatch(new RegExp(`weir ${name}\\b`));
  });
});
