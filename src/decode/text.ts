import { WeirError } from "../model/errors.js";
import { LIMITS } from "../model/limits.js";

export type TextEncoding = "utf-8" | "latin1";

/** Strict: bytes that are not UTF-8 must never become a value that looks like one. Leaves out a byte order mark. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

const BYTE_ORDER_MARK = 0xfeff;

/**
 * The text of a payload without its byte order mark. Text is taken as decoded already; its bound is counted in
 * characters then.
 * @throws WeirError `decode-too-large`, or `decode-invalid` when the bytes are not valid UTF-8
 */
export function textOf(payload: Uint8Array | string, encoding: TextEncoding, maxBytes: number): string {
  if (payload.length > maxBytes) {
    const most = LIMITS.payloadBytesMax;
    const bytes = payload.length > most ? `over ${most}` : payload.length;
    const hint =
      payload.length > most
        ? "send shorter ones; no decode.maxBytes allows that"
        : "raise decode.maxBytes if such payloads are right";
    throw new WeirError("decode-too-large", `the payload has ${bytes} bytes, more than ${maxBytes}`, {
      hint,
    });
  }
  if (typeof payload === "string") {
    return payload.charCodeAt(0) === BYTE_ORDER_MARK ? payload.slice(1) : payload;
  }
  if (encoding === "latin1") {
    return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("latin1");
  }
  try {
    return utf8.decode(payload);
  } catch {
    throw new WeirError("decode-invalid", "the payload is not valid UTF-8", {
      hint: 'write "encoding: latin1" where the text is in an older encoding',
    });
  }
}

/** The lines of a text, ended by LF or CRLF; empty ones are left out. */
export function linesOf(text: string): readonly string[] {
  if (!text.includes("\n")) {
    const line = withoutReturn(text);
    return line === "" ? [] : [line];
  }
  return text
    .split("\n")
    .map(withoutReturn)
    .filter((line) => line !== "");
}

/** A line without the CR of a CRLF. */
export function withoutReturn(line: string): string {
  return line.charCodeAt(line.length - 1) === 0x0d ? line.slice(0, -1) : line;
}

/** Shorter parts of a string are copies already; V8 keeps longer ones as views of the whole. */
const VIEW_CHARACTERS_MIN = 13;

/**
 * The same text, with memory of its own. A device name cut from a payload, or a line cut from a chunk of a file,
 * would otherwise keep all of that in memory for as long as the device is known.
 */
export function detached(part: string): string {
  return part.length < VIEW_CHARACTERS_MIN ? part : ` ${part}`.slice(1);
}

/** A blank or a tab. A no-break space is neither: it may be a thousands mark. */
export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
