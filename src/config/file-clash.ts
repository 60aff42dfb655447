/**
 * The files of targets: two writers of one file would tear its lines, a rotation would move the other's file away, and
 * a file that Weir reads would be written into. What can be told from the config and the links on the disk is refused.
 */
import { readdirSync, readlinkSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

export interface WrittenFile {
  /** Place among the targets. */
  readonly index: number;
  readonly path: string;
  /** Rotated files that stay: `path.1` to `path.keep`. */
  readonly keep: number;
}

/** What a config reads, in absolute paths. */
export interface ReadFiles {
  readonly config: string;
  /** Folder whose `*.yaml` are profiles. */
  readonly profiles: string;
  /** Certificates, users, secrets. */
  readonly others: Iterable<string>;
}

/** A target whose file is not its own. */
export interface FileClash {
  readonly index: number;
  readonly message: string;
}

/** Where a file is, by its name and behind all links: a delivery goes to the one, a rotation moves the other. */
interface Located extends WrittenFile {
  readonly name: string;
  readonly real: string;
}

export function findClashes(files: readonly WrittenFile[], read: ReadFiles): FileClash[] {
  if (files.length === 0) return [];
  const located = files.map((file) => ({ ...file, name: realName(file.path), real: realPath(file.path) }));
  const readers = readersOf(read);
  return located.flatMap((file, at) => {
    const earlier = located.slice(0, at).map((other) => clashOfTwo(file, other));
    const message = clashWithRead(file, readers) ?? earlier.find((found) => found !== undefined);
    return message === undefined ? [] : [{ index: file.index, message }];
  });
}

function clashOfTwo(file: Located, other: Located): string | undefined {
  if (uses(file, other.real) || uses(file, other.name)) {
    return `${file.path} and ${other.path} of targets[${other.index}] are one file`;
  }
  if (rotatesTo(other, file)) {
    return `targets[${other.index}] moves ${other.path} to ${file.path} when it is full`;
  }
  if (rotatesTo(file, other)) {
    return `${file.path} is moved to ${other.path} of targets[${other.index}] when it is full`;
  }
  return undefined;
}

interface Readers {
  /** What it is, by its path behind all links. */
  readonly files: ReadonlyMap<string, string>;
  readonly profiles: string;
}

function readersOf({ config, profiles, others }: ReadFiles): Readers {
  const files = new Map<string, string>();
  for (const path of others) files.set(realPath(path), "a file that the config refers to");
  for (const path of profilesIn(profiles)) files.set(realPath(path), "a device profile");
  files.set(realPath(config), "the config itself");
  return { files, profiles: realPath(profiles) };
}

function profilesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter(isProfile)
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function clashWithRead(file: Located, { files, profiles }: Readers): string | undefined {
  for (const [path, what] of files) {
    if (uses(file, path)) return `${file.path} is ${what}`;
    if (rotatesTo(file, { name: path, real: path }))
      return `${file.path} is moved over ${what} when it is full`;
  }
  const inFolder = (path: string): boolean => dirname(path) === profiles && isProfile(path);
  if (inFolder(file.name)) return `${file.path} would be read as a device profile`;
  return undefined;
}

function uses(file: Located, path: string): boolean {
  return file.name === path || file.real === path;
}

/** Whether the file gets the other's name when it is rotated. */
function rotatesTo(file: Located, other: Pick<Located, "name" | "real">): boolean {
  return [other.name, other.real].some((path) => {
    const number = path.startsWith(`${file.name}.`) ? path.slice(file.name.length + 1) : "";
    return /^[1-9]\d*$/.test(number) && Number(number) <= file.keep;
  });
}

/** Which files of the folder are profiles; `findProfiles` takes the same. */
export function isProfile(path: string): boolean {
  const name = basename(path);
  return name.endsWith(".yaml") && !name.startsWith(".");
}

/** As many as Linux follows. */
const LINKS_MAX = 40;

/** Behind all links, also where the file, or what a link leads to, is not there yet. */
function realPath(path: string, links = LINKS_MAX): string {
  try {
    return realpathSync(path);
  } catch {
    const name = realName(path);
    return (links === 0 ? undefined : linkedFrom(name, links)) ?? name;
  }
}

function linkedFrom(name: string, links: number): string | undefined {
  try {
    return realPath(resolve(dirname(name), readlinkSync(name)), links - 1);
  } catch {
    return undefined;
  }
}

/** The name itself, in its folder behind all links. */
function realName(path: string): string {
  const folder = dirname(path);
  return folder === path ? path : join(realPath(folder), basename(path));
}
