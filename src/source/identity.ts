/** What makes a redelivered MQTT packet the same packet. */
export interface PacketParts {
  readonly clientId: string;
  readonly messageId: number;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly dup: boolean;
}

/** Odd constants; two lanes with different ones are two nearly independent hashes. */
const A1 = 0xcc9e2d51;
const A2 = 0x1b873593;
const B1 = 0x9e3779b1;
const B2 = 0x85ebca77;

/**
 * Identity of a QoS 1 or 2 packet: a whole number from 1 to 2^53 - 1, negative when the packet came with DUP set.
 * The same for every delivery of the packet and in every version of Weir, because the duplicate filter stores it:
 * a packet acknowledged by the disk but not on the wire comes again after a crash. Two lanes of 32 bits with the
 * mixing steps of MurmurHash3 (A. Appleby, public domain), of which 53 bits are kept.
 */
export function packetIdentity(packet: PacketParts): number {
  const { clientId, messageId, topic, payload } = packet;
  let a = messageId;
  let b = ~messageId;
  // Characters first, then lengths, so that moving a character from one part to the next is another packet.
  for (const text of [clientId, topic]) {
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      a = mixA(a, unit);
      b = mixB(b, unit);
    }
    a = mixA(a, text.length);
    b = mixB(b, text.length);
  }
  const length = payload.length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    const word = payload[at]! | (payload[at + 1]! << 8) | (payload[at + 2]! << 16) | (payload[at + 3]! << 24);
    a = mixA(a, word);
    b = mixB(b, word);
  }
  let rest = 0;
  for (; at < length; at++) rest = (rest << 8) | payload[at]!;
  a = finish(mixA(mixA(a, rest), length));
  b = finish(mixB(mixB(b, rest), length));
  const identity = (b >>> 11) * 0x1_0000_0000 + (a >>> 0) || 1;
  return packet.dup ? -identity : identity;
}

function mixA(lane: number, word: number): number {
  const mixed = lane ^ Math.imul(rotate(Math.imul(word, A1), 15), A2);
  return (Math.imul(rotate(mixed, 13), 5) + 0xe6546b64) | 0;
}

function mixB(lane: number, word: number): number {
  const mixed = lane ^ Math.imul(rotate(Math.imul(word, B1), 16), B2);
  return (Math.imul(rotate(mixed, 11), 5) + 0x52dce729) | 0;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** Every input bit changes every output bit with a chance of about one half. */
function finish(lane: number): number {
  let h = lane;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
