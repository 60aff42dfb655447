import type {
  BrokerSourceConfig,
  Config,
  MqttSourceConfig,
  MqttTargetConfig,
  SerialSourceConfig,
  SourceConfig,
  TargetConfig,
} from "../config/load.js";
import { type LocalApi, type LocalApiOptions, startLocalApi } from "../dashboard/api.js";
import { FileTarget } from "../forward/file-target.js";
import { Forwarder } from "../forward/forwarder.js";
import { createSchedule } from "../forward/schedule.js";
import type { Clock, Random, Timers } from "../model/clock.js";
import type { Intake, Source } from "../model/delivery.js";
import { WeirError } from "../model/errors.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import type { Profile } from "../model/profile.js";
import type { Target } from "../model/summary-log.js";
import { topicFilters } from "../profile/match.js";
import type { BrokerSource } from "../source/broker.js";
import type { MqttSource } from "../source/mqtt.js";
import type { SourceParts } from "../source/parts.js";
import type { SerialSource } from "../source/serial.js";
import type { Disk } from "../store/disk.js";
import { LevelDisk } from "../store/level-disk.js";
import type { Store } from "../store/store.js";
import { connectionsOf, openFilesMax } from "../system/open-files.js";

/** The world as the agent sees it: real in `weir run`, moved by hand in tests. */
export interface World {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly observer: Observer;
}

/** What a source is made with. */
export type SourceWorld = World & {
  readonly intake: Intake;
  readonly profiles: readonly Profile[];
  /** Brokers among the sources: they share the connections that the process may have. */
  readonly brokers: number;
};

const connectionsLimited = defineEvent<{
  readonly source: string;
  readonly connectionsMax: number;
  readonly openFilesMax: number;
}>(
  "connections-limited",
  "warn",
  "the process may not have so many files open; the broker takes fewer connections than configured",
);

/** What the agent touches of the machine and the network: real unless a simulator makes its own. */
export interface Outside {
  disk(path: string): Disk;
  /** @throws WeirError when it cannot work as configured, as `target` */
  source(config: SourceConfig, world: SourceWorld): Promise<Source>;
  target(config: TargetConfig, gateway: Config["gateway"], world: World): Promise<Target>;
  localApi(options: LocalApiOptions): Promise<LocalApi>;
}

export const realOutside: Outside = {
  disk: (path) => new LevelDisk(path),
  source: createSource,
  target: createTarget,
  localApi: startLocalApi,
};

/**
 * From the config of a source to the source. What speaks a protocol is loaded only where it is spoken: it takes time to
 * start, and memory (the MQTT client about 13 MB).
 */
async function createSource(config: SourceConfig, world: SourceWorld): Promise<Source> {
  const parts: SourceParts = world;
  switch (config.type) {
    case "broker": {
      const { BrokerSource } = await import("../source/broker.js");
      return new BrokerSource(brokerOptions(config, affordableConnections(config, world)), parts);
    }
    case "mqtt": {
      const { MqttSource } = await import("../source/mqtt.js");
      return new MqttSource(mqttOptions(config, world.profiles), parts);
    }
    case "serial": {
      const { SerialSource } = await import("../source/serial.js");
      return new SerialSource(serialOptions(config, world.profiles), parts);
    }
  }
}

/** Stands where a source cannot work as it is configured, so that its status says so. */
export function failedSource(name: string, detail: string): Source {
  return {
    name,
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    status: () => ({ state: "failed", detail }),
  };
}

/** As many as are configured, unless the store would not have the file descriptors that it needs. */
function affordableConnections(config: BrokerSourceConfig, { brokers, observer }: SourceWorld): number {
  const filesMax = openFilesMax();
  const connectionsMax = Math.max(1, Math.floor(connectionsOf(filesMax) / brokers));
  if (config.connectionsMax <= connectionsMax) return config.connectionsMax;
  observer.emit(connectionsLimited, { source: config.name, connectionsMax, openFilesMax: filesMax });
  return connectionsMax;
}

function brokerOptions(
  config: BrokerSourceConfig,
  connectionsMax: number,
): ConstructorParameters<typeof BrokerSource>[0] {
  const { name, listen, users, anonymous, packetBytesMax } = config;
  const { topicLevelsMax, inflightMax, waitingBytesMax } = config;
  return {
    name,
    host: listen.host,
    port: listen.port,
    anonymous,
    packetBytesMax,
    connectionsMax,
    topicLevelsMax,
    inflightMax,
    waitingBytesMax,
    ...(config.tls === undefined ? {} : { tls: defined(config.tls) }),
    ...(users === undefined ? {} : { usersFile: users }),
  };
}

function mqttOptions(
  config: MqttSourceConfig,
  profiles: readonly Profile[],
): ConstructorParameters<typeof MqttSource>[0] {
  const { name, inflightMax, waitingBytesMax, packetBytesMax } = config;
  return {
    name,
    connection: { ...connection(config), packetBytesMax },
    topics: config.topics ?? topicFilters(profiles),
    inflightMax,
    waitingBytesMax,
  };
}

function serialOptions(
  config: SerialSourceConfig,
  profiles: readonly Profile[],
): ConstructorParameters<typeof SerialSource>[0] {
  const { name, port, usb, baudRate, dataBits, parity, stopBits, flowControl, device, framing } = config;
  const profile = profiles.find(({ id }) => id === config.profile);
  if (profile === undefined) {
    throw new WeirError("unknown-profile", `there is no profile "${config.profile}" to read the port with`, {
      hint: "weir check tells what is wrong with the profiles",
    });
  }
  return {
    name,
    port: port ?? defined(usb!),
    baudRate,
    dataBits,
    parity,
    stopBits,
    flowControl,
    profile,
    device,
    framing,
  };
}

function connection(config: MqttSourceConfig | MqttTargetConfig) {
  const { url, clientId, username, password, keepalive, connectTimeout, reconnectMax, tls } = config;
  return {
    url,
    clientId,
    keepaliveMs: keepalive,
    connectTimeoutMs: connectTimeout,
    backoff: { maxMs: reconnectMax },
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: password.reveal() }),
    ...(tls === undefined ? {} : { tls: defined(tls) }),
  };
}

/** The same without keys whose value is undefined, as optional properties want it. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

/** A target and the forwarder that feeds it. */
export interface Outlet {
  readonly target: Target;
  readonly forwarder: Forwarder;
}

async function createTarget(config: TargetConfig, gateway: Config["gateway"], world: World): Promise<Target> {
  if (config.type === "file") return new FileTarget({ ...config, observer: world.observer });
  const { MqttTarget } = await import("../forward/mqtt-target.js");
  return new MqttTarget({
    ...world,
    name: config.name,
    broker: connection(config),
    site: gateway.site,
    gateway: gateway.id,
    topic: config.topic,
    statusTopic: config.statusTopic,
    batch: config.batch,
    inflightMax: config.inflightMax,
    packetBytesMax: config.packetBytesMax,
  });
}

/** The forwarder that feeds a target, at the times its config says. @throws WeirError for a schedule that is none */
export function createOutlet(on: {
  readonly config: TargetConfig;
  readonly target: Target;
  readonly store: Store;
  readonly world: World;
}): Outlet {
  const { config, target, store, world } = on;
  const schedule = createSchedule({
    expression: config.schedule,
    zone: config.timezone,
    log: store.log,
    clock: world.clock,
    timers: world.timers,
  });
  const forwarder = new Forwarder({
    ...world,
    target,
    schedule,
    log: store.log,
    cursors: store,
    rateMaxPerSecond: config.rateMax,
  });
  return { target, forwarder };
}
