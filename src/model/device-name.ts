import { LIMITS } from "./limits.js";

/** The device that readings are booked under when `limits.devices` is reached, or when their device is not known. */
export const UNKNOWN_DEVICE = "?";

/**
 * Whether a device may be called so. A name stands in topics, file names and ids of summaries: no control characters, no
 * wildcards of MQTT (no topic may contain them), no halves of surrogate pairs.
 */
export function isDeviceName(text: string): boolean {
  return (
    text !== "" &&
    text !== UNKNOWN_DEVICE &&
    text.length <= LIMITS.deviceNameCharactersMax &&
    !FORBIDDEN.test(text)
  );
}

const FORBIDDEN = /[\p{Cc}\p{Cs}+#]/u;
