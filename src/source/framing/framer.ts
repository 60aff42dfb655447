/** Cuts a byte stream into frames. Its memory is bounded whatever comes. */
export interface Framer {
  /**
   * Takes the next bytes and hands over every frame that is complete with them, in order. A frame is valid until the
   * call returns.
   */
  push(chunk: Uint8Array, each: (frame: Uint8Array) => void): void;
  /** Forgets what has come of the next frame: the stream was interrupted. */
  reset(): void;
}
