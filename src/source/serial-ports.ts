import { SerialPort } from "serialport";
import { messageOf, WeirError } from "../model/errors.js";

/** Names a USB adapter whatever port it gets; ids are hexadecimal as `lsusb` shows them. */
export interface UsbId {
  readonly vendorId?: string;
  readonly productId?: string;
  readonly serialNumber?: string;
}

/** What the operating system says about a port. */
export interface PortFacts {
  readonly path: string;
  readonly vendorId?: string | undefined;
  readonly productId?: string | undefined;
  readonly serialNumber?: string | undefined;
}

/**
 * The path of the one port that has the id.
 * @throws WeirError `serial-not-found`, `serial-ambiguous`, `serial-list-failed`, all retryable
 */
export async function findUsbPort(
  id: UsbId,
  list: () => Promise<readonly PortFacts[]> = () => SerialPort.list(),
): Promise<string> {
  let ports: readonly PortFacts[];
  try {
    ports = await list();
  } catch (error) {
    // It runs udevadm, which small systems do not have.
    throw new WeirError("serial-list-failed", `the serial ports cannot be listed: ${messageOf(error)}`, {
      hint: "give the port by its path, such as one under /dev/serial/by-id",
      retryable: true,
      cause: error,
    });
  }
  const found = ports.filter((port) => matches(port, id));
  if (found.length === 1) return found[0]!.path;
  if (found.length === 0) {
    throw new WeirError("serial-not-found", `no port has ${describe(id)}`, {
      hint: "plug the adapter in, or look its id up with lsusb",
      retryable: true,
    });
  }
  throw new WeirError(
    "serial-ambiguous",
    `${found.length} ports have ${describe(id)}: ${found.map(({ path }) => path).join(", ")}`,
    { hint: "add the serialNumber, or give the port by a path under /dev/serial/by-path", retryable: true },
  );
}

function matches(port: PortFacts, id: UsbId): boolean {
  return (
    sameHex(port.vendorId, id.vendorId) &&
    sameHex(port.productId, id.productId) &&
    (id.serialNumber === undefined || port.serialNumber === id.serialNumber)
  );
}

function sameHex(actual: string | undefined, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  const plain = (id: string): string => id.toLowerCase().replace(/^0x/, "").padStart(4, "0");
  return actual !== undefined && plain(actual) === plain(wanted);
}

function describe(id: UsbId): string {
  return Object.entries(id)
    .map(([key, value]) => `${key} ${value}`)
    .join(", ");
}
