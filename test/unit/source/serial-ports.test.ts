import { describe, expect, it } from "vitest";
import { findUsbPort, type PortFacts, type UsbId } from "../../../src/source/serial-ports.js";

const PORTS: readonly PortFacts[] = [
  { path: "/dev/ttyS0" },
  { path: "/dev/ttyUSB0", vendorId: "0403", productId: "6001", serialNumber: "A1" },
  { path: "/dev/ttyUSB1", vendorId: "0403", productId: "6001", serialNumber: "A2" },
  { path: "/dev/ttyACM0", vendorId: "1a86", productId: "55D4" },
];

const find = (id: UsbId): Promise<string> => findUsbPort(id, async () => PORTS);

describe("findUsbPort", () => {
  it("finds the one adapter with the id, however its digits are written", async () => {
    expect(await find({ vendorId: "1A86" })).toBe("/dev/ttyACM0");
    expect(await find({ vendorId: "0x1a86", productId: "55d4" })).toBe("/dev/ttyACM0");
    expect(await find({ vendorId: "403", serialNumber: "A2" })).toBe("/dev/ttyUSB1");
  });

  it("takes none of two that look the same, and says which they are", async () => {
    await expect(find({ vendorId: "0403" })).rejects.toMatchObject({
      code: "serial-ambiguous",
      retryable: true,
      message: expect.stringContaining("/dev/ttyUSB0, /dev/ttyUSB1"),
    });
  });

  it("can be asked again when there is none, or the ports cannot be listed", async () => {
    await expect(find({ vendorId: "ffff" })).rejects.toMatchObject({
      code: "serial-not-found",
      retryable: true,
    });
    await expect(find({ serialNumber: "a1" })).rejects.toMatchObject({ code: "serial-not-found" });
    const failing = (): Promise<never> => Promise.reject(new Error("spawn udevadm ENOENT"));
    await expect(findUsbPort({ vendorId: "0403" }, failing)).rejects.toMatchObject({
      code: "serial-list-failed",
      retryable: true,
    });
  });
});
