import { readFile } from "node:fs/promises";
import { messageOf, WeirError } from "../model/errors.js";

/** Paths of PEM files. Read at every use, so that a renewed certificate is taken without a restart. */
export interface TlsFiles {
  /** Certificates the other side must be signed by; the system's when there is none. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** @throws WeirError `tls-file-unreadable`, retryable: the file may be in the middle of being renewed */
export async function readTlsFiles(files: TlsFiles): Promise<TlsMaterial> {
  const material: { ca?: Buffer; cert?: Buffer; key?: Buffer } = {};
  for (const part of ["ca", "cert", "key"] as const) {
    const path = files[part];
    if (path !== undefined) material[part] = await read(path);
  }
  return material;
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new WeirError("tls-file-unreadable", `cannot read ${path}: ${messageOf(error)}`, {
      hint: "check the path under tls, and that the service's user may read the file",
      retryable: true,
      cause: error,
    });
  }
}
