/**
 * The few MQTT 3.1.1 packets that a publisher needs, written by hand: the load must cost its process as little as
 * possible, or it would be what is measured.
 */

/** Width of the packets that the load consists of: JSON of 100 bytes. */
const PAYLOAD_BYTES = 100;
/** 2026-01-14T12:00:00Z: event times have 13 digits for a long time. */
const FIRST_TIME_MS = 1_768_392_000_000;

export function connectPacket(clientId: string): Buffer {
  const id = Buffer.from(clientId);
  const header = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, id.length]);
  return Buffer.concat([Buffer.from([0x10, header.length + id.length]), header, id]);
}

/** Writes one PUBLISH after the other for one device. */
export class PublishWriter {
  readonly packetBytes: number;
  readonly #template: Buffer;
  readonly #idAt: number;
  readonly #timeAt: number;
  readonly #temperatureAt: number;
  readonly #humidityAt: number;
  readonly #stepMs: number;
  readonly #firstMs: number;
  readonly #qos: 0 | 1;

  /** @param options `stepMs`: event time between two readings of the device; `firstMs`: that of the first one */
  constructor(options: {
    readonly topic: string;
    readonly qos: 0 | 1;
    readonly stepMs: number;
    readonly firstMs: number;
  }) {
    const { topic, qos, stepMs } = options;
    this.#firstMs = FIRST_TIME_MS + options.firstMs;
    this.#qos = qos;
    this.#stepMs = stepMs;
    const json = '{"time":1768392000000,"temperature":20.00,"humidity":40.00,"node":""}';
    const payload = json.replace('"node":""', `"node":"${"n".repeat(PAYLOAD_BYTES - json.length)}"`);
    const start = topic.length + (qos === 0 ? 4 : 6);
    const rest = start - 2 + payload.length;
    if (rest > 127) throw new Error("the topic is too long for a length of one byte");
    this.packetBytes = start + payload.length;
    this.#idAt = topic.length + 4;
    this.#timeAt = start + json.indexOf("1768");
    this.#temperatureAt = start + json.indexOf("20.00");
    this.#humidityAt = start + json.indexOf("40.00");
    this.#template = Buffer.alloc(this.packetBytes);
    this.#template[0] = 0x30 | (qos << 1);
    this.#template[1] = rest;
    this.#template.writeUInt16BE(topic.length, 2);
    this.#template.write(topic, 4);
    this.#template.write(payload, start);
  }

  /**
   * Writes the packet of the reading with this number at `at`.
   * @param messageId as QoS 1 wants it
   */
  write(into: Buffer, at: number, reading: number, messageId: number): void {
    into.set(this.#template, at);
    if (this.#qos > 0) into.writeUInt16BE(messageId, at + this.#idAt);
    writeDigits(into, at + this.#timeAt + 12, this.#firstMs + reading * this.#stepMs, 13);
    const temperature = (reading * 7) % 1_000;
    writeDigits(into, at + this.#temperatureAt + 1, 20 + Math.floor(temperature / 100), 2);
    writeDigits(into, at + this.#temperatureAt + 4, temperature % 100, 2);
    writeDigits(into, at + this.#humidityAt + 4, (reading * 3) % 100, 2);
  }
}

/** Decimal digits that end at `last`. */
function writeDigits(into: Buffer, last: number, value: number, count: number): void {
  let rest = value;
  for (let i = 0; i < count; i++) {
    const next = Math.floor(rest / 10);
    into[last - i] = 48 + rest - next * 10;
    rest = next;
  }
}
