import { MqttTarget } from "../../src/forward/mqtt-target.js";
import { systemRandom, systemTimers } from "../../src/system/clock.js";
import { startMosquitto } from "../helpers/mosquitto.js";
import { MqttListener } from "../helpers/mqtt-listener.js";
import { Recorder } from "../helpers/recorder.js";
import { describeWithTools } from "../helpers/tools.js";
import { targetContract } from "./target.js";

describeWithTools(["mosquitto"], "the MQTT target on Mosquitto", () => {
  targetContract(async () => {
    const mosquitto = await startMosquitto({ persistent: true });
    const listener = await MqttListener.open(mosquitto.url, ["edge/#"]);
    return {
      create: () =>
        new MqttTarget({
          name: "cloud",
          broker: { url: mosquitto.url, clientId: "gw-7", backoff: { baseMs: 10, maxMs: 50 } },
          site: "plant-1",
          gateway: "gw-7",
          batch: { entriesMax: 100, bytesMax: 100_000 },
          topic: "edge/{site}/{gateway}/d/{device}/{window}",
          statusTopic: "edge/{site}/{gateway}/status",
          inflightMax: 20,
          packetBytesMax: 131_072,
          timers: systemTimers,
          random: systemRandom,
          observer: new Recorder(),
        }),
      received: async () => listener.payloads("edge/plant-1/gw-7/d/"),
      statuses: () =>
        listener
          .payloads("edge/plant-1/gw-7/status")
          .map((text) => JSON.parse(text))
          .filter(({ state }) => state === "online"),
      takeAway: () => mosquitto.stop(),
      bringBack: () => mosquitto.start(),
      mute: () => mosquitto.freeze(),
      unmute: () => mosquitto.thaw(),
    };
  });
});
