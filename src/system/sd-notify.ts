/**
 * Tells systemd how the service is doing (sd_notify(3)): ready, reloading, stopping, alive, and one line of status.
 *
 * Node has no AF_UNIX datagram socket, and a native addon for six messages would be one more thing to build on every
 * gateway; so each message is one run of `systemd-notify`, about a millisecond, and the unit says
 * `NotifyAccess=all`. systemd-notify returns only when the manager has read the message, so none is lost with the
 * process that sent it; messages go out one after the other, in order.
 *
 * The watchdog's ping starts on the event loop and only while `healthy()` says so: a loop that is stuck, or commits
 * that do not get through, end in a restart by systemd. A ping is not repeated while the last one is still on its way.
 */
import { execFile } from "node:child_process";
import type { Timer, Timers } from "../model/clock.js";
import { messageOf } from "../model/errors.js";
import { defineEvent, type Observer } from "../model/log-event.js";

export interface ServiceManager {
  /** Start-up or reload is over. Resolves when systemd knows. */
  ready(status: string): Promise<void>;
  /** One line that `systemctl status` shows. */
  status(text: string): Promise<void>;
  reloading(): Promise<void>;
  stopping(status: string): Promise<void>;
  /** Pings at a third of `WatchdogSec` as long as `healthy()` is true; does nothing where the unit has no watchdog. */
  watch(healthy: () => boolean): void;
  /** Ends the pings and waits for messages on their way. */
  close(): Promise<void>;
}

/** Delivers the assignments of one message; rejects when that was not possible. */
export type NotifySend = (assignments: readonly string[]) => Promise<void>;

export interface ServiceManagerOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly timers: Timers;
  readonly observer: Observer;
  readonly send?: NotifySend;
  readonly pid?: number;
}

export const notifyFailed = defineEvent<{ readonly message: string; readonly error: string }>(
  "notify-failed",
  "warn",
  "systemd could not be told how the service is doing",
);

/** Made from the environment systemd gives; without `NOTIFY_SOCKET` (a terminal, a container) every call is a no-op. */
export function createServiceManager(options: ServiceManagerOptions): ServiceManager {
  const { env, timers, observer } = options;
  const send = options.send ?? sendBySystemdNotify;
  const supervised = env.NOTIFY_SOCKET !== undefined && env.NOTIFY_SOCKET !== "";
  let last: Promise<void> = Promise.resolve();
  let pinging = false;
  let watchdog: Timer | undefined;

  const notify = (...assignments: string[]): Promise<void> => {
    if (!supervised) return Promise.resolve();
    last = last
      .then(() => send(assignments))
      .catch((error: unknown) =>
        observer.emit(notifyFailed, { message: assignments[0] ?? "", error: messageOf(error) }),
      );
    return last;
  };

  return {
    ready: (status) => notify("READY=1", statusLine(status)),
    status: (text) => notify(statusLine(text)),
    reloading: () => notify("RELOADING=1", statusLine("reading config and profiles again")),
    stopping: (status) => notify("STOPPING=1", statusLine(status)),
    watch(healthy) {
      const limitMs = watchdogMs(env, options.pid ?? process.pid);
      if (!supervised || limitMs === undefined) return;
      watchdog?.cancel();
      watchdog = timers.every(limitMs / 3, () => {
        if (pinging || !healthy()) return;
        pinging = true;
        void notify("WATCHDOG=1").then(() => {
          pinging = false;
        });
      });
    },
    async close() {
      watchdog?.cancel();
      await last;
    },
  };
}

/** The watchdog's limit, where there is one for this process (sd_watchdog_enabled(3)). */
function watchdogMs(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const limitUs = Number(env.WATCHDOG_USEC ?? "");
  if (!(limitUs > 0)) return undefined;
  if (env.WATCHDOG_PID !== undefined && env.WATCHDOG_PID !== "" && Number(env.WATCHDOG_PID) !== pid)
    return undefined;
  return limitUs / 1_000;
}

/** A message is split at line ends, so a status must not have any. */
function statusLine(text: string): string {
  return `STATUS=${text.replace(/\p{Cc}+/gu, " ").slice(0, 200)}`;
}

/** A manager that does not answer must not hold up a stop, which has 5 s. */
const SEND_TIMEOUT_MS = 3_000;

function sendBySystemdNotify(assignments: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile("systemd-notify", [...assignments], { timeout: SEND_TIMEOUT_MS }, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}
