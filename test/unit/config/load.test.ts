import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Config, loadConfig, parseConfig } from "../../../src/config/load.js";
import { Secret } from "../../../src/config/secret.js";
import { validateSchedule } from "../../../src/forward/schedule.js";
import {
  STATUS_PLACEHOLDERS,
  SUMMARY_PLACEHOLDERS,
  validateTopicTemplate,
} from "../../../src/forward/topic-template.js";
import { formatDiagnostic } from "../../../src/model/diagnostic.js";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-config-"));
  for (const name of ["users.txt", "a.crt", "a.key"]) writeFileSync(join(folder, name), "x");
  writeFileSync(join(folder, "password"), "hunter2\n");
});
afterAll(() => rmSync(folder, { recursive: true }));

/** `${text}`, spelled so that it is not mistaken for a forgotten template. */
const variable = (text: string) => `\${${text}}`;

const checks = {
  validateSchedule,
  validateTopic: (template: string, of: "summary" | "status") =>
    validateTopicTemplate(template, of === "summary" ? SUMMARY_PLACEHOLDERS : STATUS_PLACEHOLDERS),
};

function load(text: string, env: Record<string, string> = {}) {
  return parseConfig(text, join(folder, "weir.yaml"), { env, ...checks });
}

function config(text: string, env: Record<string, string> = {}): Config {
  const { config: loaded, diagnostics } = load(text, env);
  expect(diagnostics).toEqual([]);
  return loaded!;
}

/** Problems as `line:column code message (hint)`. */
function problems(text: string, env: Record<string, string> = {}): string[] {
  return load(text, env).diagnostics.map((d) =>
    formatDiagnostic(d).slice(join(folder, "weir.yaml").length + 1),
  );
}

const HEAD = "gateway: { id: gw-7 }\nsources:\n";
const BROKER = `${HEAD}  - { name: local, type: broker }\n`;

describe("a config", () => {
  it("needs five lines: an id and a source", () => {
    const { gateway, store, commit, limits, profiles, sources, targets, log } = config(BROKER);
    expect(gateway).toEqual({ id: "gw-7", site: "default", zone: "UTC" });
    expect(store).toEqual({
      path: join(folder, "weir-data"),
      logBytesMax: 256_000_000,
      coarsen: [900_000, 3_600_000, 86_400_000],
      journalBytesMax: 16_000_000,
    });
    expect(commit).toEqual({ maxDelay: 100, maxBytes: 1_000_000 });
    expect(limits).toEqual({ devices: 10_000, memoryBytesMax: 24_000_000 });
    expect(profiles).toEqual({ path: join(folder, "device-profiles") });
    expect(log).toEqual({ level: "info", format: "logfmt" });
    expect(targets).toEqual([]);
    expect(sources).toEqual([
      {
        name: "local",
        type: "broker",
        listen: { host: "127.0.0.1", port: 1883 },
        anonymous: true,
        packetBytesMax: 65_536,
        connectionsMax: 500,
        topicLevelsMax: 32,
        inflightMax: 1_000,
        waitingBytesMax: 4_194_304,
      },
    ]);
  });

  it("takes defaults from other parts: client ids, time zone of schedules, device of a port", () => {
    const { sources, targets } = config(`
gateway: { id: gw-7, zone: Europe/Berlin }
sources:
  - { name: x, type: mqtt, url: "mqtt://h" }
  - { name: y, type: serial, port: /dev/ttyS0, profile: p }
targets:
  - { name: x, type: mqtt, url: "mqtt://h" }
  - { name: f, type: file, path: out.jsonl, timezone: UTC }
`);
    expect(sources).toMatchObject([
      { clientId: "weir-gw-7-in-x" },
      { device: "y", framing: { type: "line", delimiter: "\n", lineBytesMax: 4_096, skipFirst: false } },
    ]);
    expect(targets).toMatchObject([
      { clientId: "weir-gw-7-out-x", timezone: "Europe/Berlin", schedule: "immediate" },
      { path: join(folder, "out.jsonl"), timezone: "UTC", keep: 4 },
    ]);
  });

  it("reports every problem at once, each at its place", () => {
    expect(
      problems(`gateway: { id: a/b, zone: Mars }
comit: { maxDelay: 5 }
commit: { maxDelay: fast, maxBytes: 5MB }
sources:
  - { name: s, type: mqtt, url: "http://h", topics: ["a/#/b"] }
targets:
  - { name: t, type: file, schedule: "99 * * * *", batch: { byteMax: 1 } }
  - { name: t, type: mqtt, url: "mqtt://h", topic: "x/{devise}", statusTopic: "{device}" }
`).map((line) => line.split(" ").slice(0, 2).join(" ")),
    ).toEqual([
      "1:16 bad-name",
      "1:27 bad-zone",
      "2:1 unknown-key",
      "3:21 bad-duration",
      "3:37 out-of-bounds",
      "5:33 bad-url",
      "5:54 bad-topic",
      "7:5 missing-key",
      "7:38 bad-schedule",
      "7:61 unknown-key",
      "8:13 duplicate-name",
      "8:52 bad-topic",
      "8:79 bad-topic",
    ]);
  });

  it("is a diagnostic, not an exception, when it cannot be read", () => {
    const { diagnostics } = loadConfig(join(folder, "none.yaml"), { env: {} });
    expect(diagnostics.map((d) => d.code)).toEqual(["unreadable-file"]);
  });

  it("says what a config without sources lacks", () => {
    expect(problems("gateway: { id: a }\n")).toEqual([
      '1:1 missing-key the key "sources" is missing (Where readings come from.)',
    ]);
    expect(problems("gateway: { id: a }\nsources: []\n")).toEqual([
      "2:10 out-of-bounds sources must have at least 1 item (add an item)",
    ]);
  });
});

describe("a broker", () => {
  const broker = (rest: string) => `${HEAD}  - { name: l, type: broker, ${rest} }\n`;

  it("lets nobody in without a password from beyond the machine", () => {
    expect(problems(broker('listen: "0.0.0.0:1883"'))).toEqual([
      "3:5 broker-open anyone who reaches 0.0.0.0 could publish (give a users file, or listen on 127.0.0.1)",
    ]);
    expect(problems(broker('listen: "[::]:1883", users: users.txt, anonymous: true'))[0]).toMatch(
      /^3:80 broker-open /,
    );
    expect(problems(broker('listen: "192.168.1.5:1883", anonymous: false'))[0]).toMatch(/^3:5 broker-open /);
  });

  it("is open on loopback addresses only, and closed where there is a users file", () => {
    for (const host of ["127.0.0.1", "127.8.8.8", "localhost", "[::1]"]) {
      expect(config(broker(`listen: "${host}:1883"`)).sources[0]).toMatchObject({ anonymous: true });
    }
    expect(config(broker('listen: "0.0.0.0:1883", users: users.txt')).sources[0]).toMatchObject({
      anonymous: false,
      users: join(folder, "users.txt"),
    });
  });

  it("may be guarded by client certificates instead of passwords", () => {
    const guarded = 'listen: "0.0.0.0:8883", tls: { cert: a.crt, key: a.key, ca: a.crt }';
    expect(config(broker(guarded)).sources[0]).toMatchObject({ anonymous: false });
    expect(problems(broker(guarded.replace(", ca: a.crt", "")))[0]).toContain("broker-open");
  });

  it("is not fooled by a name that begins like a loopback address", () => {
    expect(problems(broker('listen: "127.0.0.1.example.com:1883"'))[0]).toContain("broker-open");
  });

  it("needs somebody who may connect", () => {
    expect(problems(broker("anonymous: false"))[0]).toMatch(/^3:41 broker-closed /);
  });

  it("needs both files of its certificate, and they have to be there", () => {
    expect(problems(broker("tls: { cert: a.crt }"))[0]).toMatch(/^3:30 missing-key the key "key" is missing/);
    expect(problems(broker("tls: { cert: a.crt, key: none.key }"))[0]).toMatch(
      /^3:55 unreadable-file .*none\.key/,
    );
    expect(config(broker("tls: { cert: a.crt, key: a.key }")).sources[0]).toMatchObject({
      tls: { cert: join(folder, "a.crt"), key: join(folder, "a.key") },
    });
  });

  it("does not share its address with another", () => {
    const two = `${BROKER}  - { name: other, type: broker }\n  - { name: free, type: broker, listen: "127.0.0.1:0" }\n`;
    expect(problems(two)).toEqual([
      '4:5 duplicate-value sources[0] has the listen "127.0.0.1:1883" already (each needs its own)',
    ]);
  });

  it("refuses what is no address", () => {
    for (const listen of ["1883", ":1883", "::1:1883", "h:99999", "h:", "mqtt://h:1883", ""]) {
      expect(problems(broker(`listen: "${listen}"`))[0]).toContain("bad-address");
    }
  });
});

describe("an MQTT connection", () => {
  const mqtt = (rest: string) => `${HEAD}  - { name: m, type: mqtt, ${rest} }\n`;

  it("has a password in a file or variable, which is never printed", () => {
    for (const [password, env] of [
      ["file:password", {}],
      [`"${variable("P")}"`, { P: "hunter2" }],
    ] as const) {
      const loaded = config(mqtt(`url: "mqtt://h", username: u, password: ${password}`), env);
      const source = loaded.sources[0]!;
      if (source.type !== "mqtt") throw new Error("not the source that was written");
      expect(source.password).toBeInstanceOf(Secret);
      expect(source.password?.reveal()).toBe("hunter2");
      for (const text of [JSON.stringify(loaded), inspect(loaded, { depth: null }), `${source.password}`]) {
        expect(text).not.toContain("hunter2");
      }
    }
  });

  it("keeps a password of digits a text when it comes from a variable", () => {
    const source = config(mqtt(`url: "mqtt://h", username: u, password: "${variable("P")}"`), { P: "0123" })
      .sources[0];
    expect(source?.type === "mqtt" && source.password?.reveal()).toBe("0123");
  });

  it("does not show a secret in a message", () => {
    const texts = [
      ...problems(mqtt('url: "mqtt://h", username: u, password: 8675309')),
      ...problems(mqtt('url: "mqtt://h", username: u, password: 86753.09')),
      ...problems(mqtt('url: "mqtt://u:8675309@h"')),
      ...problems(mqtt('url: "mqtt://h", password: "8675309"')),
      ...problems(mqtt(`url: "mqtt://h", username: u, password: "a${variable("8675309")}"`)),
      ...problems(mqtt('url: "mqtt://h", username: u, password: [8675309]')),
    ];
    expect(texts).toHaveLength(6);
    for (const text of texts) expect(text).not.toMatch(/8675309|86753/);
  });

  it("says which secret file cannot be read", () => {
    expect(problems(mqtt('url: "mqtt://h", username: u, password: "file:none"'))[0]).toMatch(
      /^3:68 unreadable-file cannot read .*none/,
    );
  });

  it("names the scheme that was meant", () => {
    expect(problems(mqtt('url: "mqtss://h"'))[0]).toContain('(did you mean "mqtts://"?)');
    expect(problems(mqtt('url: "h:1883"'))[0]).toContain("bad-url");
    expect(problems(mqtt('url: "mqtt://h/path"'))[0]).toContain("bad-url");
    expect(problems(mqtt('url: "mqtt://"'))[0]).toContain("bad-url");
  });

  it("finds certificates that have no effect or no partner", () => {
    expect(problems(mqtt('url: "mqtt://h", tls: { ca: a.crt }'))[0]).toMatch(/^3:45 bad-value .*mqtts:/);
    expect(problems(mqtt('url: "mqtts://h", tls: { cert: a.crt }'))[0]).toMatch(
      /^3:53 missing-key .*tls\.key/,
    );
    expect(problems(mqtt('url: "mqtts://h", tls: { key: a.key }'))[0]).toMatch(
      /^3:53 missing-key .*tls\.cert/,
    );
  });

  it("finds filters that no broker takes", () => {
    for (const filter of ["a+/b", "a/#/b", "a#", ""]) {
      expect(problems(mqtt(`url: "mqtt://h", topics: ["${filter}"]`))[0]).toContain("bad-topic");
    }
    config(mqtt('url: "mqtt://h", topics: ["#", "+/a/+", "$share/g/a/#"]'));
  });
});

describe("a serial port", () => {
  const serial = (rest: string) => `${HEAD}  - { name: m, type: serial, profile: p, ${rest} }\n`;

  it("is named by its path or by its adapter, not by both and not by neither", () => {
    expect(problems(serial("baudRate: 9600"))[0]).toMatch(/^3:5 missing-key neither port nor usb/);
    expect(problems(serial('port: /dev/a, usb: { vendorId: "0403", productId: "6001" }'))[0]).toMatch(
      /^3:56 bad-value port and usb/,
    );
    expect(config(serial('usb: { vendorId: "0403", productId: "60AA" }')).sources[0]).toMatchObject({
      usb: { vendorId: "0403", productId: "60aa" },
    });
  });

  it("says how to write an item that is no mapping, and what a key needs below it", () => {
    const hint = 'write the item\'s keys as "- key: value", one in a line';
    const head = "gateway: { id: gw-7 }\n";
    expect(problems(`${head}sources: [5]\n`)).toEqual([
      `2:11 bad-type sources[0] must be a mapping, not a number (${hint})`,
    ]);
    expect(problems(`${head}sources: 7\n`)).toEqual([
      "2:10 bad-type sources must be a list, not a number (put it in [ ])",
    ]);
    expect(problems(`${BROKER}targets: [null, x]\n`)).toEqual([
      `4:11 bad-type targets[0] must be a mapping, not empty (${hint})`,
      `4:17 bad-type targets[1] must be a mapping, not a text (${hint})`,
    ]);
    expect(problems(`gateway: gw-7\n${BROKER.replace(/^.*\n/, "")}`)).toEqual([
      '1:10 bad-type gateway must be a mapping, not a text (write its keys below it, each as "key: value")',
    ]);
  });

  it("has USB ids in quotes, because YAML takes 0403 for the number 403", () => {
    expect(problems(serial("usb: { vendorId: 0403, productId: 6001 }"))).toEqual([
      '3:59 bad-type sources[0].usb.vendorId must be a text, not a number (put it in quotes: "0403")',
      '3:76 bad-type sources[0].usb.productId must be a text, not a number (put it in quotes: "6001")',
    ]);
  });

  it("has a delimiter that the framer can take", () => {
    expect(problems(serial('port: /dev/a, framing: { type: line, delimiter: "" }'))[0]).toContain(
      "out-of-bounds",
    );
    expect(problems(serial('port: /dev/a, framing: { type: line, delimiter: "ééééééééé" }'))[0]).toContain(
      "a delimiter has at most 16 bytes",
    );
  });

  it("has one of the bit counts that ports know", () => {
    expect(problems(serial('port: /dev/a, device: "?"'))[0]).toContain('a device is not named "?"');
    expect(problems(serial("port: /dev/a, dataBits: 9"))[0]).toContain("(one of 5, 6, 7, 8)");
  });
});

describe("variables", () => {
  it("are put into texts, with defaults, once", () => {
    const text = `gateway: { id: "${variable("A")}-${variable("B:-b")}${variable("C:-")}" }\n${BROKER.slice(HEAD.length - 9)}`;
    expect(config(text, { A: "a" }).gateway.id).toBe("a-b");
    expect(config(text, { A: "a", B: "" }).gateway.id).toBe("a-b");
    expect(config(text, { A: "a", B: "x", C: "y" }).gateway.id).toBe("a-xy");
    expect(problems(text, { A: variable("B"), B: "x" })[0]).toContain("bad-name");
  });

  it("stand for numbers, in quotes or not", () => {
    const limits = `${BROKER}limits:\n  devices: ${variable("N:-5")}\n`;
    expect(config(limits).limits.devices).toBe(5);
    expect(config(limits, { N: "7" }).limits.devices).toBe(7);
    expect(problems(limits, { N: "many" })[0]).toMatch(/^5:12 bad-type /);
  });

  it("that are missing are found at their place, and only once", () => {
    expect(problems(`${BROKER}limits:\n  devices: ${variable("N")}\n`)).toEqual([
      `5:12 missing-variable the environment variable N is not set (set it, or give a default: ${variable("N:-default")})`,
    ]);
  });

  it("cannot change the structure of the file", () => {
    const site = `gateway:\n  id: a\n  site: ${variable("S")}\n${BROKER.slice(HEAD.length - 9)}`;
    expect(problems(site, { S: "x }\nlimits: { devices: 1" })[0]).toContain("bad-name");
  });

  it("can be written out", () => {
    expect(problems(`gateway: { id: "$${variable("A")}" }\n${BROKER.slice(HEAD.length - 9)}`)[0]).toContain(
      `"${variable("A")}" is not a name`,
    );
  });

  it("that are malformed are found", () => {
    for (const text of ["1a", "a b", "", "A-b"]) {
      expect(problems(`${BROKER}log: { level: "${variable(text)}" }\n`)[0]).toMatch(/^4:15 bad-variable /);
    }
    expect(problems(`${BROKER}log: { level: "$\u007bA" }\n`)[0]).toMatch(/^4:15 bad-variable /);
  });
});
