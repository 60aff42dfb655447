import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { onTestFinished } from "vitest";

export interface HeardMessage {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

/** A subscriber with a session that the broker keeps, as an upstream's consumer would have. */
export class MqttListener {
  readonly heard: HeardMessage[] = [];
  private readonly client: MqttClient;

  private constructor(client: MqttClient) {
    this.client = client;
    client.on("message", (topic, payload, { retain }) => {
      this.heard.push({ topic, payload: payload.toString(), retain });
    });
    // While the broker is away, every attempt is an error.
    client.on("error", () => {});
  }

  static async open(
    url: string,
    filters: readonly string[],
    options: Pick<IClientOptions, "username" | "password" | "ca" | "clientId"> = {},
  ): Promise<MqttListener> {
    const client = await connectAsync(url, {
      clientId: `listener-${Math.random().toString(36).slice(2)}`,
      clean: false,
      reconnectPeriod: 20,
      ...options,
    });
    const listener = new MqttListener(client);
    onTestFinished(() => listener.close());
    if (filters.length > 0) await client.subscribeAsync([...filters], { qos: 1 });
    return listener;
  }

  /** Payloads on topics that begin with `prefix`, in order of arrival. */
  payloads(prefix: string): string[] {
    return this.heard.filter(({ topic }) => topic.startsWith(prefix)).map(({ payload }) => payload);
  }

  async close(): Promise<void> {
    await this.client.endAsync(true);
  }
}
