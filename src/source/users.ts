import { open } from "node:fs/promises";
import { messageOf, WeirError } from "../model/errors.js";
import { type PasswordHash, parsePasswordHash } from "./password.js";

/** Who may log in, by name. */
export type Users = ReadonlyMap<string, PasswordHash>;

/** About 60,000 users. */
const USERS_BYTES_MAX = 8_388_608;

/**
 * Reads a user file: one `name:scrypt$N$r$p$salt$hash` a line; empty lines and lines that begin with `#` are skipped.
 * @throws WeirError `users-file-unreadable`, `users-file-invalid` with the place
 */
export async function readUsers(path: string): Promise<Users> {
  let text: string;
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      if (size > USERS_BYTES_MAX) throw new Error(`it is larger than ${USERS_BYTES_MAX} bytes`);
      text = await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new WeirError("users-file-unreadable", `cannot read the users in ${path}: ${messageOf(error)}`, {
      hint: "check the path under users, and that the service's user may read the file",
      cause: error,
    });
  }
  return parseUsers(text, path);
}

export function parseUsers(text: string, path: string): Users {
  const users = new Map<string, PasswordHash>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    // A name may have colons; a hash has none.
    const colon = line.lastIndexOf(":");
    const hash = colon < 1 ? undefined : parsePasswordHash(line.slice(colon + 1).trim());
    if (hash === undefined) throw invalid(path, index + 1, "is not name:scrypt$N$r$p$salt$hash");
    const name = line.slice(0, colon);
    if (users.has(name)) throw invalid(path, index + 1, `names ${name} again`);
    users.set(name, hash);
  }
  return users;
}

/** Never quotes the line: it may hold a password somebody put there in the clear. */
function invalid(path: string, line: number, problem: string): WeirError {
  return new WeirError("users-file-invalid", `${path}:${line} ${problem}`, {
    hint: "write one user a line, with the hash that weir made from the password",
  });
}
