import { LIMITS } from "./limits.js";

/**
 * Whether a device may be called so. A name stands in topics, file names and ids of summaries: no control characters, no
 * wildcards of MQTT (no topic may contain them), no halves of surrogate pairs. `?` is the one under which readings are
 * booked whose device is not known, or which are over the limit of devices.
 */
export function isDeviceName(text: string): boolean {
  return (
    text !== "" && text !== "?" && text.length <= LIMITS.deviceNameCharactersMax && !FORBIDDEN.test(text)
  );
}

const FORBIDDEN = /[\p{Cc}\p{Cs}+#]/u;
