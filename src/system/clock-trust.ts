import { readFileSync } from "node:fs";

/**
 * Whether the wall clock has been set since the machine came up, as far as that can be told without asking anybody:
 *
 * - A clock outside the years in which this version can run is not set: a machine without a clock battery starts in
 *   1970, and a broken one anywhere.
 * - Where systemd-timesyncd runs, it raises the clock at boot to the time that it last knew, which is plausible and
 *   wrong by as long as the power was out. So there the clock is believed when timesyncd has heard from a server, or
 *   when the hardware's clock had the time at boot, or, so that a gateway without a network does its work, after ten
 *   minutes.
 * - Where something else sets the clock (chrony, a GPS receiver, a person), a plausible clock is believed at once; when
 *   it is set later the engine copes (set-back.ts).
 */

/**
 * When this version was made. A wall clock behind it has not been set since the gateway came up without a clock
 * battery (such machines start at 1970, or at the build date of their system). Move it with every release.
 */
export const RELEASED_MS = Date.UTC(2026, 0, 1);
/** No version is in service for so long. A clock that claims it is wrong. */
export const RETIRED_MS = Date.UTC(2056, 0, 1);

const SYNC_WAIT_MS_MAX = 10 * 60_000;
/** The folder is there while timesyncd runs, the file once it has heard from a server. */
const TIMESYNC_FOLDER = "/run/systemd/timesync";
const SYNCHRONIZED_FILE = `${TIMESYNC_FOLDER}/synchronized`;
/** "1" where the kernel has set the wall clock by the hardware's at boot. */
const HARDWARE_SET_FILE = "/sys/class/rtc/rtc0/hctosys";
const HARDWARE_SECONDS_FILE = "/sys/class/rtc/rtc0/since_epoch";
const BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id";
/** A boot is told from another by this much of its id. */
const BOOT_ID_DIGITS = 12;

/** What is asked of the machine. */
export interface Machine {
  exists(path: string): boolean;
  /** Undefined where it cannot be read. */
  read(path: string): string | undefined;
}

export class ClockTrust {
  readonly #machine: Machine;
  readonly #hardwareKnew: boolean;
  #synchronized = false;

  constructor(machine: Machine) {
    this.#machine = machine;
    const hardwareMs = Number(machine.read(HARDWARE_SECONDS_FILE) ?? Number.NaN) * 1_000;
    this.#hardwareKnew = machine.read(HARDWARE_SET_FILE)?.trim() === "1" && isPlausible(hardwareMs);
  }

  /** @param uptimeMs since the machine came up */
  trusts(wallMs: number, uptimeMs: number): boolean {
    if (!isPlausible(wallMs)) return false;
    if (this.#hardwareKnew || this.#synchronized || uptimeMs >= SYNC_WAIT_MS_MAX) return true;
    this.#synchronized = this.#machine.exists(SYNCHRONIZED_FILE);
    return this.#synchronized || !this.#machine.exists(TIMESYNC_FOLDER);
  }
}

function isPlausible(wallMs: number): boolean {
  return wallMs >= RELEASED_MS && wallMs < RETIRED_MS;
}

/** The number of this boot, as `Clock.boot`; another one for every process where the machine does not tell. */
export function bootOf(machine: Machine, otherwise: () => number): number {
  const digits = (machine.read(BOOT_ID_FILE) ?? "").replaceAll("-", "").slice(0, BOOT_ID_DIGITS);
  const boot = /^[0-9a-f]+$/.test(digits) ? Number.parseInt(digits, 16) : 0;
  return boot === 0 ? 1 + Math.floor(otherwise() * 2 ** 47) : boot;
}

export function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
