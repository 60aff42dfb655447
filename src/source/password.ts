import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";

/** A stored password: `scrypt$N$r$p$salt$hash`, salt and hash in base64 (RFC 7914). */
export interface PasswordHash {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** About 50 ms on a gateway's core. Device passwords are random, and a fleet logs in at once after a power cut. */
const COST = 16_384;
const BLOCK_SIZE = 8;
const PARALLELIZATION = 1;
/** A line of the user file must not be able to take the gateway's memory (128 * N * r bytes) or minutes of its time. */
const COST_MAX = 1_048_576;
const MEMORY_BYTES_MAX = 134_217_728;
const PARALLELIZATION_MAX = 16;

/** What goes behind `name:` in the user file. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const parameters = { cost: COST, blockSize: BLOCK_SIZE, parallelization: PARALLELIZATION, salt };
  const hash = await derive(Buffer.from(password), parameters, HASH_BYTES);
  return `scrypt$${COST}$${BLOCK_SIZE}$${PARALLELIZATION}$${salt.toString("base64")}$${hash.toString("base64")}`;
}

/** @returns undefined where the text is not such a hash, or costs too much to check */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const match =
    /^scrypt\$(\d{1,8})\$(\d{1,4})\$(\d{1,3})\$([A-Za-z0-9+/]+={0,2})\$([A-Za-z0-9+/]+={0,2})$/.exec(text);
  if (match === null) return undefined;
  const [cost, blockSize, parallelization] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const powerOfTwo = cost > 1 && (cost & (cost - 1)) === 0;
  const cheap = cost <= COST_MAX && 128 * cost * blockSize <= MEMORY_BYTES_MAX;
  if (!powerOfTwo || !cheap || blockSize < 1) return undefined;
  if (parallelization < 1 || parallelization > PARALLELIZATION_MAX) return undefined;
  const salt = Buffer.from(match[4]!, "base64");
  const hash = Buffer.from(match[5]!, "base64");
  if (salt.length < 8 || hash.length < 16 || hash.length > 128) return undefined;
  return { cost, blockSize, parallelization, salt, hash };
}

/** Takes as long for a wrong password as for the right one. */
export async function verifyPassword(password: Buffer, stored: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, stored, stored.hash.length), stored.hash);
}

/** Matches no password and costs what others cost: for names that do not exist, so that time does not tell. */
export const DECOY: PasswordHash = {
  cost: COST,
  blockSize: BLOCK_SIZE,
  parallelization: PARALLELIZATION,
  salt: randomBytes(SALT_BYTES),
  hash: randomBytes(HASH_BYTES),
};

function derive(password: Buffer, parameters: Omit<PasswordHash, "hash">, bytes: number): Promise<Buffer> {
  const { cost, blockSize, parallelization, salt } = parameters;
  const options: ScryptOptions = {
    N: cost,
    r: blockSize,
    p: parallelization,
    maxmem: 2 * 128 * cost * blockSize + 1_048_576,
  };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, bytes, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
