import { describe, expect, it, onTestFinished } from "vitest";
import { MqttSource } from "../../../src/source/mqtt.js";
import { startBroker } from "../../helpers/broker.js";
import { makeCertificates } from "../../helpers/certificates.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { publishPacket, RawMqtt } from "../../helpers/raw-mqtt.js";
import { sourceParts } from "../../helpers/source-parts.js";
import { describeWithTools, until } from "../../helpers/tools.js";

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return "none";
}

describe("the mqtt source", () => {
  it("reports a refused subscription loudly, takes what the others bring, and asks again", async () => {
    const broker = await startBroker({ subscriptionsPerClientMax: 1 });
    broker.held.atOnce = true;
    const clock = new ManualClock();
    const parts = sourceParts({ timers: clock });
    const connection = { url: `mqtt://127.0.0.1:${broker.port}`, clientId: "gw" };
    const source = new MqttSource({ name: "plant", topics: ["a/#", "b/#"], connection }, parts);
    onTestFinished(() => source.stop());
    await source.start();
    await until(() => source.status().state === "refused", { what: "a subscription is refused" });
    expect(source.status().detail).toMatch(/no subscription to b\/#$/);
    expect(parts.observer.named("mqtt-subscription-refused")).toEqual([{ source: "plant", filter: "b/#" }]);
    parts.held.atOnce = true;
    const device = await RawMqtt.login(broker.port, "dev");
    device.send(publishPacket({ topic: "a/1", payload: "1" }));
    await parts.held.seen(1);
    clock.advance(60_000);
    await until(() => parts.observer.named("mqtt-subscription-refused").length === 2, {
      what: "it has asked again",
    });
  });

  it("takes nothing in any more when it is stopping, and ends when the last is committed", async () => {
    const broker = await startBroker();
    broker.held.atOnce = true;
    const parts = sourceParts();
    const connection = { url: `mqtt://127.0.0.1:${broker.port}`, clientId: "gw" };
    const source = new MqttSource({ name: "plant", topics: ["a/#"], connection }, parts);
    await source.start();
    await until(() => source.status().state === "connected", { what: "it is connected" });
    const device = await RawMqtt.login(broker.port, "dev");
    await until(
      () => {
        device.send(publishPacket({ topic: "a/1", payload: "1" }));
        return parts.held.deliveries.length > 0;
      },
      { what: "it is subscribed" },
    );
    const taken = parts.held.deliveries.length;
    let stopped = false;
    const stop = source.stop().then(() => {
      stopped = true;
    });
    device.send(publishPacket({ topic: "a/1", payload: "late", messageId: 999 }));
    await device.received(0x40, broker.held.deliveries.length);
    expect(stopped).toBe(false);
    parts.held.commit();
    await stop;
    expect(parts.held.deliveries.length).toBe(taken);
    expect(source.status().state).toBe("stopped");
  });

  it("refuses urls that are none, or carry a password, and empty topics and client ids", () => {
    const make = (url: string, clientId = "gw", topics = ["a"]): string =>
      codeOf(() => new MqttSource({ name: "s", topics, connection: { url, clientId } }, sourceParts()));
    expect(make("mqtt://broker")).toBe("none");
    expect(make("mqtts://[::1]:8883/")).toBe("none");
    for (const url of [
      "broker:1883",
      "http://broker",
      "mqtt://",
      "mqtt://u:p@broker",
      "mqtt://broker/path",
      "",
    ]) {
      expect(make(url), url).toBe("bad-broker-url");
    }
    expect(make("mqtt://broker", "")).toBe("bad-client-id");
    expect(make("mqtt://broker", "gw", [])).toBe("no-topics");
  });
});

describeWithTools(["openssl"], "the mqtt source over TLS", () => {
  it("connects only to a broker whose certificate it trusts", async () => {
    const [own, foreign] = [await makeCertificates(), await makeCertificates()];
    const broker = await startBroker({ anonymous: false, tls: { ...own.server, ca: own.ca } });
    const start = async (tls: {
      ca: string;
      cert: string;
      key: string;
    }): Promise<ReturnType<typeof sourceParts>> => {
      const parts = sourceParts();
      const connection = { url: `mqtts://localhost:${broker.port}`, clientId: "gw", tls };
      const source = new MqttSource({ name: "plant", topics: ["a"], connection }, parts);
      onTestFinished(() => source.stop());
      await source.start();
      return parts;
    };
    const good = await start({ ca: own.ca, ...own.client });
    await until(() => good.observer.named("mqtt-connected").length === 1, { what: "it is connected" });
    const bad = await start({ ca: foreign.ca, ...own.client });
    await until(() => bad.observer.named("mqtt-connect-failed").length > 0, {
      what: "it refuses the broker",
    });
    expect(bad.observer.named("mqtt-connect-failed")[0]).toMatchObject({
      code: expect.stringMatching(/CERT|SIGN/),
    });
    const missing = await start({ ca: "/nonexistent.pem", ...own.client });
    expect(missing.observer.named("mqtt-connected")).toEqual([]);
    await until(() => missing.observer.named("mqtt-connect-failed").length > 0, {
      what: "it says what is missing",
    });
    expect(missing.observer.named("mqtt-connect-failed")[0]).toMatchObject({
      code: "tls-file-unreadable",
      hint: expect.stringContaining("check the path under tls"),
    });
  });
});
