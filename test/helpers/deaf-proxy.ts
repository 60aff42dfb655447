/** A cable between a client and a broker that can be listened to, and made deaf for what the client says. */
import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface DeafProxy {
  readonly url: string;
  /** Whether of a new connection only the first bytes get through, those of CONNECT. */
  deaf: boolean;
  /** Called with what a client says after CONNECT, when it has been passed on. */
  heard: (bytes: Buffer) => void;
}

export async function startDeafProxy(port: number): Promise<DeafProxy> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  };
  const server = createServer({ noDelay: true }, (client) => {
    const { deaf } = proxy;
    const broker = keep(connect({ port, host: "127.0.0.1", noDelay: true }));
    keep(client).once("data", (first) => {
      broker.write(first);
      client.on("data", (bytes) => {
        if (deaf) return;
        broker.write(bytes);
        proxy.heard(bytes);
      });
    });
    broker.pipe(client);
    client.on("close", () => broker.destroy());
    broker.on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port was given");
  const proxy: DeafProxy = { url: `mqtt://127.0.0.1:${address.port}`, deaf: false, heard: () => undefined };
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return proxy;
}
