export interface SignalHandlers {
  /**
   * SIGTERM or SIGINT.
   * @param times 1 for the first one, 2 for somebody who does not want to wait, …
   */
  stop(signal: NodeJS.Signals, times: number): void;
  /** SIGHUP: read config and profiles again. */
  reload(): void;
}

/** The part of `process` that is listened to; tests hand in an emitter. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

/**
 * Listens to the signals a service gets until the returned function is called; from then on Node's defaults hold,
 * so that a second Ctrl-C during a hanging shutdown can still be made to end the process.
 */
export function handleSignals(handlers: SignalHandlers, source: SignalSource = process): () => void {
  let stops = 0;
  const stop = (signal: NodeJS.Signals): void => handlers.stop(signal, ++stops);
  const reload = (): void => handlers.reload();
  source.on("SIGTERM", stop);
  source.on("SIGINT", stop);
  source.on("SIGHUP", reload);
  return () => {
    source.off("SIGTERM", stop);
    source.off("SIGINT", stop);
    source.off("SIGHUP", reload);
  };
}
