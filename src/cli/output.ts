import { once } from "node:events";

/**
 * Writes to a stream at the reader's speed: resolves when there is room for more, so that a slow pipe holds the
 * writer back instead of filling memory.
 */
export async function writeText(stream: NodeJS.WritableStream, text: string | Uint8Array): Promise<void> {
  if (!stream.write(text)) await once(stream, "drain");
}
