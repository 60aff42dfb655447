import { read } from "node:fs";
import { promisify } from "node:util";
import type { SerialPort } from "serialport";

/**
 * A reader for an opened port that notices when the terminal has hung up.
 *
 * The read of a hung-up terminal gives 0 bytes at once (tty_io.c, `hung_up_tty_read`). serialport's own reader takes
 * that for "nothing yet" and reads again, without end and without a pause: a cable pulled in the moment in which a
 * read is under way, or while the port is paused, is never noticed, and a processor is busy until the process ends.
 * Handed on, the 0 bytes end the stream. A port that is merely silent gives EAGAIN, since it is opened with VMIN 1.
 */
export function noticeHangUp(port: SerialPort): void {
  const binding = port.port as unknown as Partial<PosixBinding> | undefined;
  // On other systems the binding is another one, which does not read this way.
  if (binding?.poller === undefined || binding.poller === null) return;
  const posix = binding as PosixBinding;
  posix.read = (buffer, offset, length) => readOnce(posix, buffer, offset, length);
}

/** What serialport's types hide of its binding for Linux and macOS. */
interface PosixBinding {
  readonly isOpen: boolean;
  readonly fd: number | null;
  readonly poller: {
    once(event: "readable", listener: (error: Error | null) => void): void;
  } | null;
  read(buffer: Buffer, offset: number, length: number): Promise<ReadResult>;
}

interface ReadResult {
  readonly buffer: Buffer;
  readonly bytesRead: number;
}

const readAsync = promisify(read);
const NOTHING_YET = new Set(["EAGAIN", "EWOULDBLOCK", "EINTR"]);

async function readOnce(
  binding: PosixBinding,
  buffer: Buffer,
  offset: number,
  length: number,
): Promise<ReadResult> {
  for (;;) {
    try {
      const { bytesRead } = await readAsync(open(binding).fd, buffer, offset, length, null);
      return { buffer, bytesRead };
    } catch (error) {
      if (!NOTHING_YET.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
    // The port may have been closed meanwhile, and asking a destroyed poller ends the process.
    const { poller } = open(binding);
    await new Promise<void>((resolve, reject) => {
      poller.once("readable", (error) => (error === null ? resolve() : reject(error)));
    });
  }
}

/** @throws an error that serialport takes for a cancelled read, when the port is closed */
function open({ isOpen, fd, poller }: PosixBinding) {
  if (isOpen && fd !== null && poller !== null) return { fd, poller };
  throw Object.assign(new Error("the port is not open"), { canceled: true });
}
