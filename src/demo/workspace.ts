/**
 * The folder a demo lives in: the example config with its variables filled in, the profiles that ship with windows
 * of seconds, and the agent's store. It is somebody's first look at Weir, so it is made of what they will edit next,
 * and `weir log -c …` works on it from another terminal. Nothing of it is left behind.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf, WeirError } from "../model/errors.js";
import { shortenProfile } from "./short-windows.js";

const EXAMPLE = fileURLToPath(new URL("../../systemd/weir.example.yaml", import.meta.url));
const PROFILES = fileURLToPath(new URL("../../device-profiles", import.meta.url));

export const DEMO_GATEWAY = { id: "demo-gateway", site: "demo" } as const;

export interface Workspace {
  readonly folder: string;
  /** The agent's config. */
  readonly config: string;
  readonly store: string;
}

export interface WorkspaceOptions {
  /** Where the stand-in for the cloud listens. */
  readonly upstream: string;
  /** The device on a serial port, where there is one. */
  readonly serial: { readonly port: string; readonly device: string; readonly profile: string } | undefined;
}

/** An empty folder that only this user can look into. @throws WeirError `demo-no-folder` */
export function createFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), "weir-demo-"));
  } catch (error) {
    throw new WeirError("demo-no-folder", `cannot make a temporary folder: ${messageOf(error)}`, {
      hint: "set TMPDIR to a folder that this user may write to",
      cause: error,
    });
  }
}

/** The last writes of a killed agent may come in between; they are over in a moment. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

/** @throws WeirError `demo-incomplete` when the files that ship are not there or have changed beyond recognition */
export function fillWorkspace(folder: string, options: WorkspaceOptions): Workspace {
  const profiles = join(folder, "device-profiles");
  const store = join(folder, "store");
  const config = join(folder, "weir.yaml");
  mkdirSync(profiles);
  for (const name of shipped(() => readdirSync(PROFILES)).filter((file) => file.endsWith(".yaml"))) {
    const text = shipped(() => readFileSync(join(PROFILES, name), "utf8"));
    writeFileSync(join(profiles, name), shortenProfile(text, name));
  }
  const variables = {
    WEIR_GATEWAY: DEMO_GATEWAY.id,
    WEIR_SITE: DEMO_GATEWAY.site,
    WEIR_PROFILES: profiles,
    WEIR_LISTEN: "127.0.0.1:0",
    WEIR_UPSTREAM: options.upstream,
    STATE_DIRECTORY: store,
  };
  let text = shipped(() => readFileSync(EXAMPLE, "utf8"));
  for (const [name, value] of Object.entries(variables)) {
    text = change(text, new RegExp(`\\$\\{${name}:-[^}]*\\}`), () => JSON.stringify(value));
  }
  text = change(text, /^ *format: logfmt\b/m, (found) => found.replace("logfmt", "json"));
  const { serial } = options;
  if (serial !== undefined) text = change(text, /^targets:/m, (found) => `${serialSource(serial)}${found}`);
  writeFileSync(config, text);
  return { folder, config, store };
}

function serialSource({ port, device, profile }: NonNullable<WorkspaceOptions["serial"]>): string {
  return [
    `  - name: ${device}`,
    "    type: serial",
    `    port: ${JSON.stringify(port)}`,
    `    profile: ${profile}`,
    "",
    "",
  ].join("\n");
}

/** So that a changed example breaks the demo's test and not, silently, the demo. */
function change(text: string, pattern: RegExp, replacement: (found: string) => string): string {
  if (!pattern.test(text)) throw incomplete(`${EXAMPLE} has nothing like ${pattern}`);
  return text.replace(pattern, replacement);
}

function shipped<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw incomplete("a file that ships with Weir cannot be read", error);
  }
}

function incomplete(message: string, cause?: unknown): WeirError {
  return new WeirError("demo-incomplete", message, { hint: "the demo needs the whole package", cause });
}
