/**
 * Decides who may connect to the embedded broker.
 *
 * A user name is checked against the user file. Without a name, or without a user file, a client is let in only where
 * that cannot open the gateway to a network: when `anonymous` is set, which needs a listener on the loopback, or when
 * the listener asked for a client certificate and there is no user file.
 *
 * scrypt runs in libuv's thread pool, which LevelDB writes through, so at most `CHECKS_MAX` run at a time and the
 * others wait; a flood of logins slows down logins and not commits. The queue is bounded by the connections.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "../model/clock.js";
import { LoginThrottle } from "./login-throttle.js";
import { DECOY, type PasswordHash, verifyPassword } from "./password.js";
import type { Users } from "./users.js";

export interface Login {
  readonly username: string | undefined;
  readonly password: Buffer | undefined;
  readonly address: string | undefined;
  /** Whether the TLS layer has verified a certificate of the client. */
  readonly certified: boolean;
  /** Whether the client has gone meanwhile, so that nobody waits for the answer. */
  gone(): boolean;
}

export type Verdict = "accepted" | "anonymous" | "wrong" | "throttled" | "gone";

export interface AuthenticatorOptions {
  readonly users: Users | undefined;
  /** Whether clients without a name are let in; the listener must be on the loopback. */
  readonly anonymous: boolean;
  readonly clock: Pick<Clock, "monotonicMs">;
}

const CHECKS_MAX = 2;

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #throttle: LoginThrottle;
  #users: Users | undefined;
  /** Digests of passwords that were right, so that a fleet that reconnects is not hashed again. */
  readonly #known = new Map<string, Buffer>();
  readonly #knownKey = randomBytes(32);
  #checking = 0;
  readonly #queue: (() => void)[] = [];

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#users = options.users;
    this.#throttle = new LoginThrottle(options.clock);
  }

  /** @returns whether a client that logged in under the name may stay */
  replaceUsers(users: Users | undefined): (name: string) => boolean {
    const before = this.#users;
    this.#users = users;
    this.#known.clear();
    return (name) => sameHash(before?.get(name), users?.get(name));
  }

  async check(login: Login): Promise<Verdict> {
    const { username, password, address } = login;
    // Many devices cannot be set up without a name; where nobody has one, any will do.
    if (this.#options.anonymous && this.#users === undefined) return "anonymous";
    if (login.certified && this.#users === undefined) return "anonymous";
    if (username === undefined || username === "") return this.#options.anonymous ? "anonymous" : "wrong";
    if (!this.#throttle.allows(address)) return "throttled";
    const stored = this.#users?.get(username);
    const given = password ?? Buffer.alloc(0);
    const digest = createHmac("sha256", this.#knownKey).update(given).digest();
    const known = this.#known.get(username);
    if (known !== undefined && timingSafeEqual(known, digest)) return "accepted";
    await this.#turn();
    try {
      if (login.gone()) return "gone";
      // The throttle again: the guesses that waited in the queue were let in together.
      if (!this.#throttle.allows(address)) return "throttled";
      const right = await verifyPassword(given, stored ?? DECOY);
      if (right && stored !== undefined && this.#users?.get(username) === stored) {
        this.#known.set(username, digest);
        return "accepted";
      }
    } finally {
      this.#checking--;
      this.#queue.shift()?.();
    }
    this.#throttle.failed(address);
    return "wrong";
  }

  async #turn(): Promise<void> {
    while (this.#checking >= CHECKS_MAX) {
      await new Promise<void>((resolve) => {
        this.#queue.push(resolve);
      });
    }
    this.#checking++;
  }
}

function sameHash(a: PasswordHash | undefined, b: PasswordHash | undefined): boolean {
  return a !== undefined && b !== undefined && a.hash.equals(b.hash) && a.salt.equals(b.salt);
}
