import type { Profile } from "./profile.js";

/** One payload as a source hands it over. */
export interface Delivery {
  /** The configured name of the source, for messages and counters. */
  readonly source: string;
  readonly topic: string | undefined;
  readonly payload: Uint8Array;
  /** True for a broker's stored copy sent on subscribing. */
  readonly retained: boolean;
  /**
   * Identity of the packet for redelivery detection, a whole number from 1 to 2^53 - 1, negative with DUP set;
   * 0 where the transport has none (QoS 0, serial). May be worked out when it is asked for, from the whole payload.
   */
  readonly identity: number;
  /** Whether it is negative, which takes no time to say. */
  readonly repeated: boolean;
  /** For a serial stream: the decoder of that stream, with the device name the port's config gives. */
  readonly stream?: {
    readonly decoder: Pick<Profile, "decode">;
    readonly profile: Profile;
    readonly device: string;
  };
  /** With `stream`: stands for a message that was dropped because it was longer than allowed; it is booked as such. */
  readonly tooLarge?: boolean;
  /**
   * Called exactly once, after everything of this payload is in a synced batch (or at once when no profile wants
   * it). Only then may the transport acknowledge. Never called while storage is failing: the source is pushed back.
   */
  committed(): void;
}

/** Takes a payload in; synchronous, never throws. */
export type Intake = (delivery: Delivery) => void;

/** A place readings come from. */
export interface Source {
  readonly name: string;
  /** Resolves when listening or trying; an unreachable broker or missing port is retried, not an error. */
  start(): Promise<void>;
  /** Stops taking in. Deliveries already handed over still get their `committed` call and are acknowledged if possible. */
  stop(): Promise<void>;
  /** One word and detail for status pages: `connected`, `waiting`. */
  status(): { readonly state: string; readonly detail?: string };
}
