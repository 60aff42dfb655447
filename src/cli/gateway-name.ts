import { usageError } from "./command.js";

/** @param text a gateway's name from the command line. @throws WeirError `bad-usage` when ids could not have it */
export function gatewayName(text: string): string {
  if (/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/.test(text)) return text;
  throw usageError(`--gateway takes a name of letters, digits, ., _ and -, not '${text}'`);
}
