import { createGunzip } from "node:zlib";

/** Decompressed bytes that are made at a time. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Decompresses gzip (RFC 1952) of one or several members; zeros behind the last one are padding.
 *
 * Whatever was made before an error is handed out first: the end of the input is only told when all output has been
 * taken, so a file cut by a full disk or a lost connection still gives what it has. Output is taken before more is
 * made, so a bomb needs no more memory than a chunk.
 * @throws Error of zlib, with `code`: Z_BUF_ERROR when the input ends too early, another one when it is damaged
 */
export async function* gunzip(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const inflate = createGunzip({ chunkSize: CHUNK_BYTES });
  let failure: Error | undefined;
  let ended = false;
  let wake = (): void => {};
  inflate.on("readable", () => wake());
  inflate.on("end", () => {
    ended = true;
    wake();
  });
  inflate.on("error", (error) => {
    failure = error;
    wake();
  });
  /** Hands out until `done`, or until nothing more will come. */
  async function* output(done: () => boolean): AsyncGenerator<Uint8Array> {
    for (;;) {
      const bytes: Uint8Array | null = inflate.read();
      if (bytes !== null) yield bytes;
      else if (failure !== undefined) throw failure;
      else if (done() || ended) return;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }
  try {
    for await (const chunk of chunks) {
      let taken = false;
      inflate.write(chunk, () => {
        taken = true;
        wake();
      });
      yield* output(() => taken);
      // Zlib wants no more: the rest is padding.
      if (ended) return;
    }
    inflate.end();
    yield* output(() => ended);
  } finally {
    inflate.destroy();
  }
}
