/** The serial source on real terminals. */
import { expect, it, onTestFinished } from "vitest";
import type { Profile } from "../../src/model/profile.js";
import { SerialSource, type SerialSourceOptions } from "../../src/source/serial.js";
import { type PtyPair, startPtyPair } from "../helpers/pty.js";
import { sourceParts, type TestParts } from "../helpers/source-parts.js";
import { describeWithTools, until } from "../helpers/tools.js";

interface Running extends TestParts {
  readonly source: SerialSource;
  /** Streams the profile was asked for: one for each time the port was opened. */
  readonly streams: object[];
}

async function startSerial(cable: PtyPair, options: Partial<SerialSourceOptions> = {}): Promise<Running> {
  const parts = sourceParts({ random: () => 0.02 });
  const streams: object[] = [];
  // The source only passes it on, and asks it for a decoder of the stream.
  const profile = {
    openStream: () => {
      const stream = { decode: () => true };
      streams.push(stream);
      return stream;
    },
  } as unknown as Profile;
  const source = new SerialSource(
    {
      name: "meter",
      port: cable.port,
      baudRate: 115_200,
      profile,
      device: "meter-1",
      framing: { type: "line", lineBytesMax: 100 },
      ...options,
    },
    parts,
  );
  onTestFinished(async () => {
    parts.held.atOnce = true;
    parts.held.commit();
    await source.stop();
  });
  await source.start();
  return { ...parts, source, streams };
}

async function isOpen({ source }: Running): Promise<void> {
  await until(() => source.status().state === "open", { what: "the port is open" });
}

describeWithTools(["socat"], "readings from a serial port", () => {
  it("come one a line, with the decoder of this stream and the device's name", async () => {
    const cable = await startPtyPair();
    const { held, streams, source } = await startSerial(cable);
    await cable.write("t=1\r\nt=");
    await cable.write("2\nt=3\n");
    await held.seen(3);
    expect(held.payloads()).toEqual(["t=1", "t=2", "t=3"]);
    expect(held.deliveries[0]).toMatchObject({
      source: "meter",
      topic: undefined,
      retained: false,
      identity: 0,
    });
    expect(held.deliveries[0]!.stream).toMatchObject({ device: "meter-1" });
    expect(held.deliveries[0]!.stream!.decoder).toBe(streams[0]);
    expect(source.status()).toEqual({ state: "open", detail: cable.port });
  });

  it("go on after garbage and after ten megabytes without a line end, in bounded memory", async () => {
    const cable = await startPtyPair();
    const { held, observer } = await startSerial(cable);
    held.atOnce = true;
    await cable.write("good 1\n");
    await held.seen(1);
    const before = process.memoryUsage();
    const garbage = Uint8Array.from({ length: 65_536 }, (_, i) => (i * 7 + 11) % 256).map((byte) =>
      byte === 0x0a ? 0 : byte,
    );
    for (let sent = 0; sent < 10_000_000; sent += garbage.length) await cable.write(garbage);
    await cable.write("\ngood 2\n");
    await held.seen(3);
    const after = process.memoryUsage();
    // The line that was dropped is handed over without its bytes, so that its device's accounts hold it.
    expect(held.payloads()).toEqual(["good 1", "", "good 2"]);
    expect(observer.named("serial-line-too-large")).toEqual([
      { source: "meter", port: cable.port, reason: "tooLarge" },
    ]);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(6_000_000);
  });

  it("come again after the cable was pulled and plugged in, as a new stream, and each is said once", async () => {
    const cable = await startPtyPair();
    const running = await startSerial(cable);
    const { held, observer, streams } = running;
    for (let round = 1; round <= 5; round++) {
      await isOpen(running);
      await cable.write(`round ${round}\nhalf a li`);
      await held.seen(round);
      await cable.unplug();
      await until(() => running.source.status().state === "waiting", { what: "the loss is noticed" });
      await cable.plug();
    }
    await isOpen(running);
    await cable.write("ne\n");
    await held.seen(6);
    expect(held.payloads()).toEqual([1, 2, 3, 4, 5].map((round) => `round ${round}`).concat("ne"));
    expect(streams.length).toBe(6);
    expect(observer.named("serial-opened").length).toBe(6);
    // At most two a time: unplugged, and then missing.
    expect(observer.named("serial-waiting").length).toBeLessThanOrEqual(10);
    expect(observer.named("serial-waiting")[0]).toMatchObject({ source: "meter", code: "unplugged" });
  });

  it("that was pulled while the port was not read is missed as soon as it is read again", async () => {
    const cable = await startPtyPair();
    const running = await startSerial(cable, { framesWaitingMax: 10 });
    const { held } = running;
    await cable.write("a line\n");
    await held.seen(1);
    // More than the stream and the terminal hold; the rest is lost with the cable.
    void cable.write("another line\n".repeat(40_000)).catch(() => undefined);
    await held.seen(11);
    await cable.unplug();
    held.atOnce = true;
    held.commit();
    await until(() => running.source.status().state === "waiting", {
      what: "the loss is noticed",
      timeoutMs: 5_000,
    });
    expect(running.observer.named("serial-waiting")).toMatchObject([{ code: "unplugged" }]);
  });

  it("come from a port that appears later; that it is missing is said once", async () => {
    const cable = await startPtyPair({ plugged: false });
    const running = await startSerial(cable);
    expect(running.source.status()).toMatchObject({ state: "waiting" });
    const tried = (): number => running.observer.events.length;
    expect(tried()).toBe(1);
    await cable.plug();
    await isOpen(running);
    await cable.write("t=1\n");
    await running.held.seen(1);
    expect(running.observer.named("serial-waiting")).toMatchObject([{ code: "missing" }]);
  });

  it("wait on the line while they are not committed, and all come in the end", async () => {
    const cable = await startPtyPair();
    const { held } = await startSerial(cable, { framesWaitingMax: 50 });
    const lines = Array.from({ length: 20_000 }, (_, n) => `t=${n}\n`);
    const writing = cable.write(lines.join(""));
    await held.seen(50);
    for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve));
    // The bound, and what one read brings along (64 KiB of lines).
    expect(held.deliveries.length).toBeLessThan(12_000);
    while (held.deliveries.length < lines.length) {
      held.commit();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writing;
    expect(held.payloads()).toEqual(lines.map((line) => line.trimEnd()));
  });

  it("leave the port free for another when the source stops, who else is told that it is taken", async () => {
    const cable = await startPtyPair();
    const first = await startSerial(cable);
    const second = await startSerial(cable);
    expect(second.observer.named("serial-waiting")).toMatchObject([{ code: "busy" }]);
    await first.source.stop();
    expect(first.source.status()).toEqual({ state: "stopped" });
    await isOpen(second);
  });

  it("that were handed over are waited for in stop", async () => {
    const cable = await startPtyPair();
    const { held, source } = await startSerial(cable);
    await cable.write("t=1\n");
    await held.seen(1);
    let stopped = false;
    const stop = source.stop().then(() => {
      stopped = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(stopped).toBe(false);
    held.commit();
    await stop;
  });
});
