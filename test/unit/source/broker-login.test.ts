import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { describe, expect, it, onTestFinished } from "vitest";
import { BrokerSource } from "../../../src/source/broker.js";
import { hashPassword } from "../../../src/source/password.js";
import { startBroker } from "../../helpers/broker.js";
import { makeCertificates } from "../../helpers/certificates.js";
import { RawMqtt } from "../../helpers/raw-mqtt.js";
import { sourceParts } from "../../helpers/source-parts.js";
import { describeWithTools, temporaryFolder, until } from "../../helpers/tools.js";

async function userFile(users: Readonly<Record<string, string>>): Promise<string> {
  const path = join(await temporaryFolder(), "users");
  await writeUsers(path, users);
  return path;
}

async function writeUsers(path: string, users: Readonly<Record<string, string>>): Promise<void> {
  const lines = await Promise.all(
    Object.entries(users).map(async ([name, password]) => `${name}:${await hashPassword(password)}`),
  );
  await writeFile(path, `# users\n\n${lines.join("\n")}\n`);
}

async function connect(url: string, options: IClientOptions): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options }, false);
  onTestFinished(() => client.endAsync(true));
  return client;
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return "none";
}

describe("logging in to the embedded broker", () => {
  it("lets in who has the right password and nobody else, and never shows a password", async () => {
    const usersFile = await userFile({ "pump:1": "s3cret-pw", valve: "other-pw" });
    const { port, observer } = await startBroker({ anonymous: false, usersFile });
    const url = `mqtt://127.0.0.1:${port}`;
    await connect(url, { username: "pump:1", password: "s3cret-pw" });
    await connect(url, { username: "pump:1", password: "s3cret-pw" });
    for (const wrong of [
      { username: "pump:1", password: "other-pw" },
      { username: "valve", password: "s3cret-pw" },
      { username: "nobody", password: "s3cret-pw" },
      { username: "valve" },
      {},
    ]) {
      await expect(connect(url, wrong)).rejects.toMatchObject({ code: 4 });
    }
    expect(observer.named("broker-login-refused").length).toBe(5);
    expect(JSON.stringify(observer.events)).not.toMatch(/s3cret|other-pw/);
  });

  it("lets anybody in on the loopback when allowed, with or without a name", async () => {
    const { port } = await startBroker({ anonymous: true });
    await connect(`mqtt://127.0.0.1:${port}`, {});
    await connect(`mqtt://127.0.0.1:${port}`, { username: "any", password: "thing" });
  });

  it("does not start open to a network, nor closed to everybody", () => {
    const make = (host: string, anonymous: boolean): string =>
      codeOf(() => new BrokerSource({ name: "b", host, port: 0, anonymous }, sourceParts()));
    expect(make("0.0.0.0", true)).toBe("broker-open");
    expect(make("::", true)).toBe("broker-open");
    expect(make("127.0.0.1", false)).toBe("broker-closed");
    expect(make("::1", true)).toBe("none");
  });

  it("does not start with a user file that is missing or wrong, and says where", async () => {
    const start = (usersFile: string): Promise<void> =>
      new BrokerSource({ name: "b", host: "127.0.0.1", port: 0, usersFile }, sourceParts()).start();
    await expect(start("/nonexistent/users")).rejects.toMatchObject({ code: "users-file-unreadable" });
    const path = join(await temporaryFolder(), "users");
    await writeFile(path, "# fine\npump:plain-password\n");
    await expect(start(path)).rejects.toMatchObject({ code: "users-file-invalid" });
    await expect(start(path)).rejects.toThrow(/users:2 is not/);
    await expect(start(path)).rejects.not.toThrow(/plain-password/);
  });

  it("throws out on a reload who was removed or changed, keeps the others, and the old file when the new is bad", async () => {
    const usersFile = await userFile({ stays: "a", goes: "b", changes: "c" });
    const stays = (await readUserLines(usersFile)).find((line) => line.startsWith("stays:"));
    const { broker, port } = await startBroker({ anonymous: false, usersFile });
    const login = (username: string, password: string): Promise<RawMqtt> =>
      RawMqtt.login(port, username, { username, password });
    const [first, second, third] = [
      await login("stays", "a"),
      await login("goes", "b"),
      await login("changes", "c"),
    ];
    await writeFile(usersFile, "broken");
    await expect(broker.reload()).rejects.toMatchObject({ code: "users-file-invalid" });
    expect([first.closed, second.closed, third.closed]).toEqual([false, false, false]);

    await writeFile(usersFile, `${stays}\nchanges:${await hashPassword("new")}\n`);
    await broker.reload();
    await second.ended();
    await third.ended();
    expect(first.closed).toBe(false);
    const url = `mqtt://127.0.0.1:${port}`;
    await expect(connect(url, { username: "changes", password: "c" })).rejects.toMatchObject({ code: 4 });
    await connect(url, { username: "changes", password: "new" });
  });

  it("survives that a client leaves while its password is checked", async () => {
    const usersFile = await userFile({ pump: "a" });
    const { port, broker } = await startBroker({ anonymous: false, usersFile });
    for (let n = 0; n < 20; n++) {
      const hasty = await RawMqtt.open(port);
      hasty.send(Buffer.from("101a00044d51545404c2003c0003646576000470756d70000161", "hex"));
      hasty.close();
    }
    await connect(`mqtt://127.0.0.1:${port}`, { username: "pump", password: "a" });
    await until(() => broker.status().detail?.endsWith(" 1 clients") === true, {
      what: "the others are gone",
    });
  });
});

async function readUserLines(path: string): Promise<string[]> {
  return readFileSync(path, "utf8").split("\n");
}

describeWithTools(["openssl"], "the embedded broker over TLS", () => {
  it("encrypts, and takes a renewed certificate on a reload", async () => {
    const { ca, server } = await makeCertificates();
    const usersFile = await userFile({ pump: "pw" });
    const renewed = await makeCertificates();
    const tls = { ...server };
    const { broker, port } = await startBroker({ anonymous: false, usersFile, tls });
    const login = { username: "pump", password: "pw" };
    const url = `mqtts://localhost:${port}`;
    const client = await connect(url, { ...login, ca: readFileSync(ca) });
    await expect(connect(url, { ...login, ca: readFileSync(renewed.ca) })).rejects.toThrow();

    await writeFile(server.cert, readFileSync(renewed.server.cert));
    await expect(broker.reload()).rejects.toMatchObject({ code: "tls-unusable" });
    await writeFile(server.key, readFileSync(renewed.server.key));
    await broker.reload();
    await connect(url, { ...login, ca: readFileSync(renewed.ca) });
    expect(client.connected).toBe(true);
  });

  it("takes a client certificate in place of a password, and nobody without one", async () => {
    const { ca, server, client } = await makeCertificates();
    const { port, held } = await startBroker({ anonymous: false, tls: { ...server, ca } });
    held.atOnce = true;
    const url = `mqtts://localhost:${port}`;
    const trust = { ca: readFileSync(ca) };
    const device = await connect(url, {
      ...trust,
      cert: readFileSync(client.cert),
      key: readFileSync(client.key),
    });
    await device.publishAsync("a", "1", { qos: 1 });
    const stranger = await makeCertificates();
    await expect(connect(url, trust)).rejects.toThrow();
    const forged = { cert: readFileSync(stranger.client.cert), key: readFileSync(stranger.client.key) };
    await expect(connect(url, { ...trust, ...forged })).rejects.toThrow();
  });

  it("listens as soon as a missing certificate is there", async () => {
    const { ca, server } = await makeCertificates();
    const late = `${server.cert}.late`;
    const parts = sourceParts({ random: () => 0 });
    const tls = { cert: late, key: server.key, ca };
    const broker = new BrokerSource({ name: "b", host: "127.0.0.1", port: 0, tls }, parts);
    onTestFinished(() => broker.stop());
    await broker.start();
    expect(parts.observer.named("broker-not-listening")).toMatchObject([{ code: "tls-file-unreadable" }]);
    await writeFile(late, readFileSync(server.cert));
    await until(() => broker.status().state === "listening", { what: "it listens" });
    expect(parts.observer.named("broker-not-listening").length).toBe(1);
  });
});
