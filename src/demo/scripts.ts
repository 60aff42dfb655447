/**
 * The cast: devices that people have, each with one habit that real ones have, too. What is wrong comes as an
 * incident now and then, so that a person can see it happen and see what became of it.
 */
import { formatInstant } from "../model/time.js";
import type { Hands, Script } from "./device.js";
import { DEMO_WINDOW_MS } from "./short-windows.js";

const HOUR_MS = 3_600_000;

/** A value that goes up and down, with some noise, to `digits` decimals. */
function wave(
  { nowMs, random }: Pick<Hands, "nowMs" | "random">,
  of: {
    readonly mean: number;
    readonly swing: number;
    readonly noise: number;
    readonly periodS: number;
    readonly digits: number;
  },
): number {
  const turn = (2 * Math.PI * nowMs) / (of.periodS * 1_000);
  const value = of.mean + of.swing * Math.sin(turn) + of.noise * (2 * random() - 1);
  return Number(value.toFixed(of.digits));
}

/** Readings right after power-on are far off, as with the real sensor. */
function office(): Script {
  const co2 = { mean: 800, swing: 120, noise: 15, periodS: 90, digits: 0 };
  const temperature = { mean: 21.5, swing: 0.8, noise: 0.1, periodS: 120, digits: 1 };
  return {
    device: "office",
    profile: "tasmota-scd40",
    topic: "tele/office/SENSOR",
    everyMs: 1_000,
    beat(hands) {
      const starting = hands.beat % 24;
      if (starting === 1) hands.note("was switched on: its first CO2 readings are far off");
      hands.send({
        Time: formatInstant(hands.nowMs).slice(0, 19),
        SCD40: {
          CarbonDioxide: starting >= 1 && starting < 4 ? 12_388 + starting : wave(hands, co2),
          Temperature: wave(hands, temperature),
          Humidity: wave(hands, { mean: 41, swing: 3, noise: 0.4, periodS: 70, digits: 1 }),
        },
        TempUnit: "C",
      });
    },
  };
}

/** Nothing is wrong with it. */
function kitchen(): Script {
  return {
    device: "kitchen/switch:0",
    profile: "shelly-gen2-switch",
    topic: "kitchen/status/switch:0",
    everyMs: 1_000,
    beat(hands) {
      const boiling = hands.beat % 30 < 12;
      hands.send({
        id: 0,
        source: "init",
        output: true,
        apower: boiling ? wave(hands, { mean: 1_980, swing: 0, noise: 12, periodS: 60, digits: 1 }) : 1.2,
        voltage: wave(hands, { mean: 231, swing: 1, noise: 0.3, periodS: 40, digits: 1 }),
        current: boiling ? 8.57 : 0.01,
        temperature: { tC: 41.3, tF: 106.3 },
      });
    },
  };
}

/** Does not wait for acknowledgements, and repeats itself to be on the safe side. */
function boiler(): Script {
  return {
    device: "boiler-3",
    profile: "generic-json",
    topic: "sensors/boiler-3",
    everyMs: 500,
    beat(hands) {
      const reading = {
        time: formatInstant(hands.nowMs),
        temperature: wave(hands, { mean: 61, swing: 4, noise: 0.2, periodS: 45, digits: 1 }),
        state: hands.beat % 60 < 30 ? "heating" : "idle",
      };
      hands.send(reading);
      if (hands.beat % 24 !== 3) return;
      hands.note("sends one reading three more times");
      for (let i = 0; i < 3; i++) hands.send(reading);
    },
  };
}

/** A loose contact: its values are impossible, or not there at all. */
function cellar(): Script {
  const temperature = { mean: 12.6, swing: 0.4, noise: 0.1, periodS: 100, digits: 1 };
  return {
    device: "cellar",
    profile: "tasmota-sensor",
    topic: "tele/cellar/SENSOR",
    everyMs: 1_000,
    beat(hands) {
      const moment = hands.beat % 26;
      const loose = moment === 2 || moment === 3;
      const gone = moment === 17;
      if (moment === 2) hands.note("has a loose contact: 327.6 degrees");
      if (gone) hands.note("does not find its sensor: -127 degrees, which means no value");
      const value = loose ? 327.6 : gone ? -127 : wave(hands, temperature);
      hands.send({
        Time: formatInstant(hands.nowMs).slice(0, 19),
        DS18B20: { Id: "0114556677AA", Temperature: value },
        TempUnit: "C",
      });
    },
  };
}

/** Its radio delivers in any order. Nothing is lost by that, and nothing changes. */
function weather(): Script {
  const pending: object[] = [];
  return {
    device: "weather",
    profile: "generic-json",
    topic: "sensors/weather",
    everyMs: 400,
    beat(hands) {
      pending.push({
        time: formatInstant(hands.nowMs),
        temperature: wave(hands, { mean: 8.4, swing: 1.5, noise: 0.1, periodS: 80, digits: 2 }),
        pressure: wave(hands, { mean: 1_013, swing: 2, noise: 0.1, periodS: 110, digits: 1 }),
      });
      if (pending.length < 4) return;
      for (const index of [2, 0, 3, 1]) hands.send(pending[index]!);
      pending.length = 0;
      if (hands.beat % 40 === 19) hands.note("delivers its readings in the wrong order");
    },
  };
}

/**
 * Keeps readings while it is offline, and sends them when it is back: the newest first, then what it had kept. It
 * goes in the middle of a window and is away for longer than `idleTimeout`, so that window fires without the rest of
 * its readings, and is revised with them.
 */
function greenhouse(): Script {
  const temperature = { mean: 26, swing: 5, noise: 0.3, periodS: 30, digits: 1 };
  const humidity = { mean: 70, swing: 8, noise: 0.5, periodS: 50, digits: 0 };
  const kept: object[] = [];
  let goesAtBeat = 2;
  let comesAtBeat = Number.POSITIVE_INFINITY;
  return {
    device: "greenhouse",
    profile: "generic-json",
    topic: "sensors/greenhouse",
    everyMs: 500,
    beat(hands) {
      const reading = (nowMs: number): object => ({
        time: formatInstant(nowMs),
        temperature: wave({ ...hands, nowMs }, temperature),
        humidity: wave({ ...hands, nowMs }, humidity),
      });
      const ofWindowMs = hands.nowMs % DEMO_WINDOW_MS;
      if (hands.beat >= goesAtBeat && ofWindowMs >= 2_000 && ofWindowMs < 3_000) {
        hands.drop();
        hands.note("loses its network");
        comesAtBeat = hands.beat + 16;
        goesAtBeat = hands.beat + 40;
      }
      if (hands.beat === comesAtBeat) hands.connect();
      if (!hands.online) {
        kept.push(reading(hands.nowMs));
        return;
      }
      hands.send(reading(hands.nowMs));
      for (const old of kept.splice(0)) hands.send(old);
      if (hands.beat <= comesAtBeat) return;
      comesAtBeat = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 4; i++) hands.send(reading(hands.nowMs - 60_000 + i * 500));
      hands.note("is back with a burst: what it had kept, and 4 readings of a minute ago");
    },
  };
}

/** Dies without a goodbye, and comes back half a minute later. */
function fridge(): Script {
  return {
    device: "fridge",
    profile: "zigbee2mqtt",
    topic: "zigbee2mqtt/fridge",
    everyMs: 1_000,
    presence: {
      topic: "zigbee2mqtt/fridge/availability",
      online: '{"state":"online"}',
      offline: '{"state":"offline"}',
    },
    beat(hands) {
      const moment = hands.beat % 45;
      if (moment === 9) {
        hands.note("dies");
        hands.drop();
      }
      if (moment === 39) {
        hands.note("has a new battery");
        hands.connect();
      }
      hands.send({
        battery: Math.max(1, 12 - moment),
        contact: hands.beat % 20 > 2,
        linkquality: 118,
        temperature: wave(hands, { mean: 5.2, swing: 0.9, noise: 0.1, periodS: 35, digits: 2 }),
      });
    },
  };
}

/** Bad firmware: messages that are cut off, and a clock that is set only some time after power-on. */
function garage(): Script {
  return {
    device: "garage",
    profile: "generic-json",
    topic: "sensors/garage",
    everyMs: 1_000,
    beat(hands) {
      const moment = hands.beat % 30;
      const clockMs = moment === 14 ? 4_000 : moment === 23 ? hands.nowMs + HOUR_MS : hands.nowMs;
      if (moment === 14) hands.note("has no time yet and thinks it is 1970");
      if (moment === 23) hands.note("is an hour ahead");
      const text = JSON.stringify({
        time: formatInstant(clockMs),
        humidity: wave(hands, { mean: 63, swing: 4, noise: 0.5, periodS: 65, digits: 1 }),
        battery: 81,
      });
      if (moment === 7) hands.note("sends half a message");
      hands.send(moment === 7 ? text.slice(0, text.length / 2) : text);
    },
  };
}

/** A microcontroller on a serial line that prints its own complaints between the readings. */
export function serialMeter(): Script {
  return {
    device: "meter-1",
    profile: "generic-kv",
    topic: undefined,
    everyMs: 500,
    beat(hands) {
      const temperature = wave(hands, { mean: 19.8, swing: 0.6, noise: 0.1, periodS: 75, digits: 1 });
      const battery = wave(hands, { mean: 3.71, swing: 0.02, noise: 0.01, periodS: 50, digits: 2 });
      if (hands.beat % 36 === 11) {
        hands.note("prints a complaint on its serial line");
        hands.send("E (10482) i2c: bus timeout");
      }
      hands.send(`temp=${temperature.toFixed(1)} hum=52 bat=${battery.toFixed(2)}`);
    },
  };
}

/** The devices that speak MQTT. */
export function mqttScripts(): readonly Script[] {
  return [office(), kitchen(), boiler(), cellar(), weather(), greenhouse(), fridge(), garage()];
}
