import { type IncomingMessage, request } from "node:http";
import { messageOf, WeirError } from "../model/errors.js";

/**
 * Asks a running agent over its local socket.
 * @param target path and query: `/log?follow=1`
 * @returns the answer's body, or undefined when no agent is there (no socket, or one that a crash left behind)
 * @throws WeirError `agent-refused` when it answers with an error, `agent-unreachable` when it may not be asked
 */
export async function askAgent(socketPath: string, target: string): Promise<IncomingMessage | undefined> {
  let response: IncomingMessage;
  try {
    response = await send(socketPath, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ECONNREFUSED" || code === "ENOTDIR") return undefined;
    throw new WeirError("agent-unreachable", `cannot ask the agent on ${socketPath}: ${messageOf(error)}`, {
      hint: code === "EACCES" ? "ask as root or as the user the agent runs as" : "see the agent's log",
      cause: error,
    });
  }
  if (response.statusCode === 200) return response;
  const text = (await response.setEncoding("utf8").toArray()).join("");
  throw new WeirError("agent-refused", `the agent answered ${response.statusCode}: ${text.trim()}`);
}

function send(socketPath: string, target: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: target, method: "GET", agent: false }, resolve).once("error", reject).end();
  });
}
