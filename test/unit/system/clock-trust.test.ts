import { describe, expect, it } from "vitest";
import {
  bootOf,
  ClockTrust,
  type Machine,
  RELEASED_MS,
  RETIRED_MS,
} from "../../../src/system/clock-trust.js";

const NOW_MS = RELEASED_MS + 1e10;
const MINUTE = 60_000;
const TIMESYNC = "/run/systemd/timesync";
const RTC = "/sys/class/rtc/rtc0";

function machine(files: Readonly<Record<string, string>>): Machine {
  return { exists: (path) => path in files, read: (path) => files[path] };
}

describe("the wall clock", () => {
  it.each([0, RELEASED_MS - 1, RETIRED_MS, Number.MAX_SAFE_INTEGER])(
    "at %d is not set, whoever says so",
    (ms) => {
      const files = { [TIMESYNC]: "", [`${TIMESYNC}/synchronized`]: "" };
      expect(new ClockTrust(machine(files)).trusts(ms, 60 * MINUTE)).toBe(false);
    },
  );

  it("is believed at once where nobody could say that it is not set", () => {
    expect(new ClockTrust(machine({})).trusts(NOW_MS, 0)).toBe(true);
  });

  it("is not believed before timesyncd has heard from a server, and stays believed from then on", () => {
    const files: Record<string, string> = { [TIMESYNC]: "" };
    const trust = new ClockTrust(machine(files));
    expect(trust.trusts(NOW_MS, MINUTE)).toBe(false);
    files[`${TIMESYNC}/synchronized`] = "";
    expect(trust.trusts(NOW_MS, MINUTE)).toBe(true);
    delete files[`${TIMESYNC}/synchronized`];
    expect(trust.trusts(NOW_MS, MINUTE)).toBe(true);
    expect(trust.trusts(0, MINUTE)).toBe(false);
  });

  it("is believed after ten minutes on a gateway that no time server reaches", () => {
    const trust = new ClockTrust(machine({ [TIMESYNC]: "" }));
    expect(trust.trusts(NOW_MS, 10 * MINUTE - 1)).toBe(false);
    expect(trust.trusts(NOW_MS, 10 * MINUTE)).toBe(true);
  });

  it("is believed at once where the hardware's clock had the time at boot, and not where its battery is missing", () => {
    const rtc = (set: string, seconds: number) =>
      machine({ [TIMESYNC]: "", [`${RTC}/hctosys`]: `${set}\n`, [`${RTC}/since_epoch`]: `${seconds}\n` });
    expect(new ClockTrust(rtc("1", NOW_MS / 1_000)).trusts(NOW_MS, 0)).toBe(true);
    expect(new ClockTrust(rtc("1", 12)).trusts(NOW_MS, 0)).toBe(false);
    expect(new ClockTrust(rtc("0", NOW_MS / 1_000)).trusts(NOW_MS, 0)).toBe(false);
  });
});

describe("the boot", () => {
  const bootId = (text: string) => machine({ "/proc/sys/kernel/random/boot_id": text });

  it("is told from others by its id", () => {
    const boot = bootOf(bootId("3b1e9f0a-77c2-4d5e-9a11-000000000000\n"), () => 0);
    expect(boot).toBe(0x3b1e9f0a77c2);
    expect(bootOf(bootId("3b1e9f0a-77c2-4d5e-9a11-111111111111"), () => 0)).toBe(boot);
  });

  it("is another one for every process where the machine does not tell", () => {
    for (const text of ["", "-", "none of your business", "000000000000"]) {
      expect(bootOf(bootId(text), () => 0.5)).toBe(1 + 2 ** 46);
    }
    expect(bootOf(machine({}), () => 0)).toBe(1);
  });
});
