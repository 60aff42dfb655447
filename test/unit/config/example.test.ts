import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readConfig } from "../../../src/cli/config-file.js";
import { boundsOf, sumText } from "../../../src/config/bounds.js";
import { type Config, parseConfig } from "../../../src/config/load.js";

const EXAMPLE = fileURLToPath(new URL("../../../systemd/weir.example.yaml", import.meta.url));

describe("the example config", () => {
  it("loads as it is, on a machine without any variable set", () => {
    const { config, diagnostics } = readConfig(EXAMPLE, {});
    expect(diagnostics).toEqual([]);
    expect(config?.store.path).toBe("/var/lib/weir");
  });

  it("is turned into another gateway by variables alone", () => {
    const env = {
      WEIR_GATEWAY: "demo",
      STATE_DIRECTORY: "/tmp/demo",
      WEIR_PROFILES: "/profiles",
      WEIR_LISTEN: "127.0.0.1:0",
      WEIR_UPSTREAM: "mqtt://127.0.0.1:4711",
    };
    const { config } = readConfig(EXAMPLE, env);
    expect(config).toMatchObject({
      gateway: { id: "demo" },
      store: { path: "/tmp/demo" },
      profiles: { path: "/profiles" },
      sources: [{ listen: { host: "127.0.0.1", port: 0 } }],
      targets: [{ url: "mqtt://127.0.0.1:4711" }],
    });
  });

  it("has nothing wrong in what is commented out either, except for files that are not there", () => {
    // A commented key is `# name: …` or `# - name: …`; prose begins with a capital letter.
    const all = readFileSync(EXAMPLE, "utf8").replace(/^( *)# (?=(- | {2})?[a-z]\w*: )/gm, "$1");
    const { diagnostics } = parseConfig(all, EXAMPLE, { env: {} });
    expect([...new Set(diagnostics.map((d) => d.code))]).toEqual(["unreadable-file"]);
    expect(all).not.toMatch(/^ *# *- name:/m);
  });
});

describe("boundsOf", () => {
  const load = (extra: string): Config => {
    const text = `gateway: { id: a }\nstore: { logBytesMax: 100MB, journalBytesMax: 10MB }\n${extra}`;
    const { config, diagnostics } = parseConfig(text, "/etc/weir/weir.yaml", { env: {} });
    expect(diagnostics).toEqual([]);
    return config!;
  };

  it("adds up to its own rows", () => {
    const { bounds, diskBytes, memoryBytes } = boundsOf(readConfig(EXAMPLE, {}).config!);
    const sum = (of: string) => bounds.filter((b) => b.of === of).reduce((total, b) => total + b.bytes, 0);
    expect(sum("disk")).toBe(diskBytes);
    expect(sum("memory")).toBe(memoryBytes);
    expect(bounds.every((b) => Number.isSafeInteger(b.bytes) && b.bytes > 0)).toBe(true);
  });

  it("is told as a sum whose rows are named", () => {
    const bounds = boundsOf(load("sources: [{ name: m, type: mqtt, url: mqtt://h }]\n"));
    const text = sumText(bounds, "memory");
    const [rows, sum] = text.split(" = ");
    const [, megabytes] = /^([\d.]+) MB$/.exec(sum!)!;
    expect(Number(megabytes)).toBeCloseTo(bounds.memoryBytes / 1e6, 1);
    expect(rows).toContain("~ 24.0 MB limits.memoryBytesMax + ~ 6.0 MB devices of a block + ");
    expect(rows!.split(" + ").map((row) => /^(?:~ )?[\d.]+ MB (.+)$/.exec(row)![1])).toEqual(
      bounds.bounds.filter((bound) => bound.of === "memory").map(({ name }) => name),
    );
    expect(sumText(bounds, "disk")).toContain("100.0 MB store.logBytesMax + ");
  });

  it("has the histograms of a group's windows in it", () => {
    const bytesOf = (fields: string) => {
      const group = `{ name: g, members: {}, windows: [{ name: w, tumbling: 1m, fields: { ${fields} } }] }`;
      const source = "sources: [{ name: m, type: mqtt, url: mqtt://h }]";
      const { bounds } = boundsOf(load(`${source}\ngroups: [${group}]\n`));
      return bounds.find(({ name }) => name === "group g")!.bytes;
    };
    const none = bytesOf("x: [mean, max]");
    const one = bytesOf("x: [p50, p99.9, histogram], y: [percentGood]") - none;
    expect(one).toBeGreaterThan(1_000 * 2 * 160 * 8 * 0.99);
    expect(bytesOf("x: [p50], y: [histogram]") - none).toBe(2 * one);
    expect(bytesOf("'*': [p50]") - none).toBe(10 * one);
  });

  it("grows by what a source, a target or a limit adds", () => {
    const one = "sources: [{ name: m, type: mqtt, url: mqtt://h }]\n";
    const base = boundsOf(load(one));
    const file = boundsOf(
      load(`${one}targets: [{ name: f, type: file, path: f, rotateBytes: 1MB, keep: 3 }]\n`),
    );
    expect(file.diskBytes - base.diskBytes).toBe(4_000_000);
    const devices = boundsOf(load(`${one}limits: { devices: 20000 }\n`));
    expect(devices.memoryBytes).toBeGreaterThan(base.memoryBytes);
    const broker = boundsOf(
      load(`${one}  `.replace("]\n", ", { name: b, type: broker, connectionsMax: 10 }]\n")),
    );
    expect(broker.memoryBytes - base.memoryBytes).toBe(10 * (65_536 + 65_536) + 4_194_304 + 16_777_216);
  });
});
