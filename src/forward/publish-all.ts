import type { Timer, Timers } from "../model/clock.js";
import { WeirError } from "../model/errors.js";

export interface PublishAllOptions {
  /** Each sends one message, and resolves when the broker has acknowledged it. */
  readonly sends: readonly (() => Promise<void>)[];
  /** Messages without their acknowledgement. */
  readonly inflightMax: number;
  /** So many of the first ones go one at a time. */
  readonly aloneFirst: number;
  readonly timers: Timers;
  /** Longest wait for the next acknowledgement. */
  readonly answerMsMax: number;
  /** The broker has said nothing for so long: what is in flight must not arrive any more. */
  readonly abort: () => void;
  /** Called once, at the first failure, with the index of the first message that is not acknowledged. */
  readonly onFailure: (index: number, error: unknown) => void;
}

/** Publishes in order, some at a time; resolves at the last acknowledgement, rejects at the first failure. */
export function publishAll(options: PublishAllOptions): Promise<void> {
  const { sends, inflightMax, aloneFirst, timers, answerMsMax, abort, onFailure } = options;
  return new Promise((resolve, reject) => {
    let [next, failed] = [0, false];
    // In the order in which they were sent.
    const open = new Set<number>();
    let timer: Timer | undefined;
    const fail = (error: unknown): void => {
      if (failed) return;
      failed = true;
      timer?.cancel();
      onFailure(Math.min(...open), error);
      reject(error);
    };
    const watch = (): void => {
      timer?.cancel();
      timer = timers.after(answerMsMax, () => {
        fail(unanswered(answerMsMax));
        // What is in flight may still arrive; on this connection it could come behind a repetition.
        abort();
      });
    };
    const room = (): number => (next - open.size < aloneFirst ? 1 : inflightMax);
    const pump = (): void => {
      while (!failed && next < sends.length && open.size < room()) {
        const index = next++;
        open.add(index);
        sends[index]!().then(() => onAnswer(index), fail);
      }
    };
    const onAnswer = (index: number): void => {
      open.delete(index);
      if (failed) return;
      if (next < sends.length || open.size > 0) {
        watch();
        pump();
      } else {
        timer?.cancel();
        resolve();
      }
    };
    if (sends.length === 0) return resolve();
    watch();
    pump();
  });
}

function unanswered(ms: number): WeirError {
  return new WeirError("mqtt-unanswered", `the broker has acknowledged nothing for ${ms} ms`, {
    retryable: true,
    hint: "look at the broker's load and log",
  });
}
