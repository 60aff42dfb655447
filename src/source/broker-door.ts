import type { AuthenticateError, Client } from "aedes";
import type { Clock } from "../model/clock.js";
import { defineEvent, type Observer } from "../model/log-event.js";
import { Authenticator } from "./authenticator.js";
import type { BrokerConnection } from "./broker-connection.js";
import type { Users } from "./users.js";

export interface BrokerDoorOptions {
  readonly source: string;
  readonly anonymous: boolean;
  readonly clientIdBytesMax: number;
  readonly clock: Clock;
  readonly observer: Observer;
}

export interface Knock {
  readonly client: Client;
  readonly connection: BrokerConnection | undefined;
  readonly username: string | undefined;
  readonly password: Buffer | undefined;
}

export const loginRefused = defineEvent<{
  readonly source: string;
  readonly reason: string;
  readonly client: string;
  readonly user: string;
  readonly address: string;
}>("broker-login-refused", "warn", "a client was not let in");

/** CONNACK return codes (MQTT 3.1.1, 3.2.2.3). */
const RETURN_CODES = { identifier: 2, unavailable: 3, credentials: 4 } as const;

/** Where a client of the embedded broker is let in or gets the CONNACK that says why not. */
export class BrokerDoor {
  readonly #options: BrokerDoorOptions;
  readonly #authenticator: Authenticator;

  constructor(options: BrokerDoorOptions) {
    this.#options = options;
    const { anonymous, clock } = options;
    this.#authenticator = new Authenticator({ users: undefined, anonymous, clock });
  }

  /** @returns whether a client that logged in under the name may stay */
  replaceUsers(users: Users): (name: string) => boolean {
    return this.#authenticator.replaceUsers(users);
  }

  /** @returns undefined when the client may come in */
  async refusal(knock: Knock): Promise<AuthenticateError | undefined> {
    const { client, connection, username, password } = knock;
    if (Buffer.byteLength(client.id) > this.#options.clientIdBytesMax) {
      this.#refused(knock, "client-id");
      return refusal("identifier", "the client id is too long");
    }
    if (connection === undefined) return refusal("unavailable", "the connection is gone");
    // MQTT 3.1.1, 3.1.3.1: under the id that it would be given it could never find its session again.
    if (connection.nameless && !client.clean) {
      this.#refused(knock, "client-id");
      return refusal("identifier", "a session that is kept needs a client id");
    }
    const verdict = await this.#authenticator
      .check({
        username,
        password,
        address: connection.socket.remoteAddress,
        certified: connection.certified,
        gone: () => client.closed,
      })
      // scrypt may find no memory.
      .catch(() => "failed" as const);
    if (verdict === "accepted") connection.user = username;
    if (verdict === "accepted" || verdict === "anonymous" || verdict === "gone") return undefined;
    this.#refused(knock, verdict);
    if (verdict === "failed") return refusal("unavailable", "the password cannot be checked now");
    return refusal("credentials", "bad user name or password");
  }

  #refused({ client, connection, username }: Knock, reason: string): void {
    const { source, observer } = this.#options;
    const address = connection?.socket.remoteAddress ?? "";
    observer.emit(loginRefused, {
      source,
      reason,
      client: client.id.slice(0, 64),
      user: username ?? "",
      address,
    });
  }
}

function refusal(reason: keyof typeof RETURN_CODES, message: string): AuthenticateError {
  return Object.assign(new Error(message), { returnCode: RETURN_CODES[reason] });
}
