import { hashPassword } from "../source/password.js";
import { type CommandIo, defineCommand, EXIT, usageError } from "./command.js";
import { writeText } from "./output.js";

/** `weir passwd`: a line for the users file of a broker source. */
const PASSWORD_BYTES_MAX = 1_024;

export const command = defineCommand({
  name: "passwd",
  usage: "NAME",
  about: [
    "Reads a password from standard input (one line) and prints the line `NAME:hash` for the file that a broker",
    "source names under `users`. The hash is scrypt; the password itself is kept nowhere.",
  ].join("\n"),
  examples: [
    { line: "weir passwd boiler-3 >> /etc/weir/users", does: "Type the password, end it with Enter" },
    { line: "openssl rand -base64 18 | tee boiler-3.txt | weir passwd boiler-3", does: "A random one" },
  ],
  options: {},
  positionals: { min: 1, max: 1 },
  async run({ positionals }, io) {
    const name = positionals[0]!;
    if (name.trim() === "" || /[\p{Cc}]/u.test(name) || name.startsWith("#"))
      throw usageError("a user name is not empty, has no control characters and does not begin with #");
    const password = await firstLine(io);
    if (password === "") throw usageError("the password is empty", "give it on standard input");
    await writeText(io.stdout, `${name}:${await hashPassword(password)}\n`);
    return EXIT.ok;
  },
});

async function firstLine(io: CommandIo): Promise<string> {
  if ("isTTY" in io.stdin && io.stdin.isTTY === true) io.stderr.write("password: ");
  let text = "";
  for await (const chunk of io.stdin) {
    text += String(chunk);
    if (text.includes("\n") || text.length > PASSWORD_BYTES_MAX) break;
  }
  const line = text.split(/\r?\n/, 1)[0]!;
  if (line.length > PASSWORD_BYTES_MAX)
    throw usageError(`a password has at most ${PASSWORD_BYTES_MAX} characters`);
  return line;
}
