import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs a test in a folder of its own, which is gone afterwards. */
export async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), "weir-test-"));
  try {
    await body(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}
