import type { Delivery } from "../model/delivery.js";
import { WeirError } from "../model/errors.js";
import type { Summary } from "../model/summary.js";
import { BrokerSource } from "../source/broker.js";
import type { SourceParts } from "../source/parts.js";

/** A summary as it came in upstream: what it says, and its bytes. */
export type OnSummary = (summary: Summary, json: string) => void;

const SUMMARY_TOPIC = /^edge\/[^/]+\/[^/]+\/d\/[^/]+\/[^/]+$/;

/** The stand-in for the cloud: a second broker on the loopback, which collects the summaries that are published to it. */
export class DemoCloud {
  readonly #broker: BrokerSource;

  constructor(onSummary: OnSummary, parts: Omit<SourceParts, "intake">) {
    const intake = ({ topic, payload, committed }: Delivery): void => {
      if (topic !== undefined && SUMMARY_TOPIC.test(topic)) {
        const json = Buffer.from(payload).toString("utf8");
        const summary = asSummary(json);
        if (summary !== undefined) onSummary(summary, json);
      }
      committed();
    };
    const options = { name: "cloud", host: "127.0.0.1", port: 0, anonymous: true };
    this.#broker = new BrokerSource(options, { ...parts, intake });
  }

  /** @returns its address @throws WeirError `demo-no-port` */
  async start(): Promise<string> {
    await this.#broker.start();
    const { port } = this.#broker;
    if (port !== undefined) return `mqtt://127.0.0.1:${port}`;
    throw new WeirError("demo-no-port", `no port for the broker upstream: ${this.#broker.status().detail}`, {
      hint: "the demo needs the loopback interface",
    });
  }

  stop(): Promise<void> {
    return this.#broker.stop();
  }
}

/** Anybody on this machine may publish to the broker, not only the agent. */
function asSummary(json: string): Summary | undefined {
  try {
    const summary = JSON.parse(json) as Summary;
    const { id, device, profile, window, fields, quality } = summary;
    const texts = [id, device, profile].every((text) => typeof text === "string");
    const objects = [window, fields, quality].every((part) => typeof part === "object" && part !== null);
    return texts && objects ? summary : undefined;
  } catch {
    return undefined;
  }
}
