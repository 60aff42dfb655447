/**
 * Readings of very many devices over a few connections, in a process of its own: round after round every device sends
 * one, with QoS 1. Ends when all are acknowledged.
 */
import { connect } from "node:net";
import { connectPacket, PublishWriter } from "./mqtt-packets.js";

export interface DevicesLoad {
  readonly port: number;
  readonly devices: number;
  readonly rounds: number;
}

const CONNECTIONS = 4;
const WINDOW = 200;
/** Event time between two readings of a device: a window of ten seconds has five. */
const STEP_MS = 2_000;
const PUBACK_BYTES = 4;

const load = JSON.parse(process.argv[2]!) as DevicesLoad;

/** Sends the readings of every `CONNECTIONS`th device. */
async function send(connection: number): Promise<void> {
  const socket = connect({ port: load.port, host: "127.0.0.1", noDelay: true });
  socket.write(connectPacket(`load-${connection}`));
  await new Promise((resolve) => socket.once("data", resolve));
  const messages = load.rounds * Math.ceil((load.devices - connection) / CONNECTIONS);
  const perRound = messages / load.rounds;
  let sent = 0;
  let ackedBytes = 0;
  const more = () => {
    const count = Math.min(messages - sent, WINDOW - (sent - Math.floor(ackedBytes / PUBACK_BYTES)));
    if (count <= 0) return;
    const packets = Array.from({ length: count }, () => {
      const device = connection + CONNECTIONS * (sent % perRound);
      const topic = `bench/d-${String(device).padStart(7, "0")}`;
      const writer = new PublishWriter({ topic, qos: 1, stepMs: STEP_MS, firstMs: 0 });
      const packet = Buffer.allocUnsafe(writer.packetBytes);
      writer.write(packet, 0, Math.floor(sent / perRound), (sent % 60_000) + 1);
      sent++;
      return packet;
    });
    socket.write(Buffer.concat(packets));
  };
  await new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the broker closed the connection")));
    socket.on("data", (chunk: Buffer) => {
      ackedBytes += chunk.length;
      if (ackedBytes === messages * PUBACK_BYTES) resolve();
      else more();
    });
    more();
  });
  socket.destroy();
}

const startMs = performance.now();
await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => send(i)));
console.log(`elapsed ${performance.now() - startMs}`);
