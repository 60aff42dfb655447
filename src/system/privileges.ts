import { statSync } from "node:fs";
import { messageOf, WeirError } from "../model/errors.js";

/** The part of `process` that can change who it is; tests hand in their own. */
export interface Identity {
  getuid?(): number;
  setgroups?(groups: readonly number[]): void;
  setgid?(id: number): void;
  setuid?(id: number): void;
}

/**
 * For root, becomes the user a folder belongs to, for good: a file that root leaves in the store of a service would
 * lock that service out of it. Does nothing for others, nor where the folder is root's or
 * not there.
 */
export function becomeOwnerOf(folder: string, identity: Identity = process): void {
  if (identity.getuid?.() !== 0) return;
  const owner = statSync(folder, { throwIfNoEntry: false });
  if (owner === undefined || owner.uid === 0) return;
  try {
    identity.setgroups?.([]);
    identity.setgid?.(owner.gid);
    identity.setuid?.(owner.uid);
  } catch (error) {
    throw new WeirError("no-rights", `cannot become the owner of ${folder}: ${messageOf(error)}`, {
      hint: "run this as the user the agent runs as",
      cause: error,
    });
  }
}
