/**
 * The agent's local interface: HTTP over a Unix socket in the store's folder.
 *
 *   GET /status                              one JSON document
 *   GET /log?device=NAME&since=TIME&follow=1 summaries, one JSON document a line, oldest first
 *
 * Who may ask is decided by the file system: the folder is private and the socket has mode 0660, so that the
 * service's user and group can, and nothing is ever offered to the network. It only reads. Bounded: connections, and
 * one batch of the log for each; a reader that does not keep up holds back only itself. The socket's file outlives a
 * crash, so one that nobody answers on is replaced.
 */
import { chmod, unlink } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { messageOf, WeirError } from "../model/errors.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import type { SummaryLog } from "../model/summary-log.js";
import { type LogQuery, streamLog } from "./log-stream.js";

export interface LocalApiOptions {
  /** See `localApiPath`. */
  readonly path: string;
  readonly log: SummaryLog;
  /** What `GET /status` answers: plain values, never a secret. */
  readonly status: () => unknown;
  readonly observer: Observer;
}

export interface LocalApi {
  /** Ends every stream and removes the socket. */
  close(): Promise<void>;
}

export const apiFailed = defineEvent<{ readonly request: string; readonly error: string }>(
  "local-api-failed",
  "warn",
  "A request on the local socket failed",
);

const CONNECTIONS_MAX = 32;

/** sockaddr_un.sun_path, less its closing zero (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;

/** Where the agent with this store listens. */
export function localApiPath(storeFolder: string): string {
  return join(storeFolder, "weir.sock");
}

/** Listens when it resolves. @throws WeirError `socket-path-too-long`, `socket-in-use` or `socket-failed` */
export async function startLocalApi(options: LocalApiOptions): Promise<LocalApi> {
  const { path, observer } = options;
  checkSocketPath(path);
  const closing = new AbortController();
  const server = createServer((request, response) => {
    answer(options, request, response, closing.signal).catch((error: unknown) => {
      observer.emit(apiFailed, { request: request.url ?? "", error: messageOf(error) });
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: "internal", message: messageOf(error) });
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  await listenReplacingStale(server, path);
  return {
    close: () =>
      new Promise((resolve) => {
        closing.abort();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** @throws WeirError `socket-path-too-long`: the kernel would cut the path off or refuse it without saying why */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_BYTES_MAX) return;
  throw new WeirError(
    "socket-path-too-long",
    `the socket path ${path} has ${bytes} bytes, the system takes ${SOCKET_PATH_BYTES_MAX}`,
    { hint: "give store.path a shorter folder" },
  );
}

async function listenReplacingStale(server: Server, path: string): Promise<void> {
  try {
    await listen(server, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw socketFailed(path, error);
    if (await answers(path)) {
      throw new WeirError("socket-in-use", `another agent listens on ${path}`, {
        hint: "give each agent a store.path of its own",
      });
    }
    await unlink(path);
    await listen(server, path).catch((again: unknown) => {
      throw socketFailed(path, again);
    });
  }
  await chmod(path, 0o660);
}

function socketFailed(path: string, error: unknown): WeirError {
  return new WeirError("socket-failed", `cannot listen on ${path}: ${messageOf(error)}`, { cause: error });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function answer(
  options: LocalApiOptions,
  request: IncomingMessage,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  if (request.method !== "GET") {
    response.setHeader("allow", "GET");
    return sendJson(response, 405, { error: "method-not-allowed", message: "only GET is understood" });
  }
  if (url.pathname === "/status") return sendJson(response, 200, options.status());
  if (url.pathname === "/log") return sendLog(options.log, url.searchParams, response, closing);
  return sendJson(response, 404, { error: "not-found", message: "there are /status and /log" });
}

async function sendLog(
  log: SummaryLog,
  parameters: URLSearchParams,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> {
  const query = readQuery(parameters);
  if (typeof query === "string") return sendJson(response, 400, { error: "bad-query", message: query });
  const gone = new AbortController();
  const abort = (): void => gone.abort();
  response.once("close", abort);
  closing.addEventListener("abort", abort);
  response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  // A follower of a silent log shall know at once that it is connected.
  response.flushHeaders();
  try {
    await streamLog({ ...query, log, signal: gone.signal, write: (lines) => writeTo(response, lines) });
  } finally {
    closing.removeEventListener("abort", abort);
  }
  response.end();
}

/** @returns the query, or what is wrong with it */
function readQuery(parameters: URLSearchParams): LogQuery | string {
  for (const name of parameters.keys()) {
    if (!["device", "since", "follow"].includes(name)) return `unknown parameter '${name}'`;
  }
  const since = parameters.get("since");
  const sinceMs = since === null ? undefined : Date.parse(since);
  if (sinceMs !== undefined && Number.isNaN(sinceMs)) return `since is not an RFC 3339 time: '${since}'`;
  const follow = parameters.get("follow") ?? "0";
  if (follow !== "0" && follow !== "1") return `follow is 0 or 1, not '${follow}'`;
  return { device: parameters.get("device") ?? undefined, sinceMs, follow: follow === "1" };
}

/** Resolves when there is room for more, or nobody is there any more. */
function writeTo(response: ServerResponse, text: string): Promise<void> {
  if (response.destroyed || response.write(text)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.once("drain", done);
    response.once("close", done);
  });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  response.end(text);
}
