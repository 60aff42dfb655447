import { describe, expect, it } from "vitest";
import { isLoopback } from "../../../src/model/loopback.js";
import { Authenticator, type Login, type Verdict } from "../../../src/source/authenticator.js";
import { LoginThrottle } from "../../../src/source/login-throttle.js";
import { hashPassword, parsePasswordHash, verifyPassword } from "../../../src/source/password.js";
import { parseUsers } from "../../../src/source/users.js";
import { ManualClock } from "../../helpers/manual-clock.js";

/** Cheap on purpose; `hashPassword` makes dear ones. RFC 7914, section 12, second vector: password "password". */
const VECTOR =
  "scrypt$1024$8$16$TmFDbA==$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA==";

describe("password hashes", () => {
  it("are salted, and right only for their password", async () => {
    const [first, second] = [await hashPassword("pässword"), await hashPassword("pässword")];
    expect(first).not.toBe(second);
    const stored = parsePasswordHash(first)!;
    expect(await verifyPassword(Buffer.from("pässword"), stored)).toBe(true);
    expect(await verifyPassword(Buffer.from("passwort"), stored)).toBe(false);
    expect(await verifyPassword(Buffer.alloc(0), stored)).toBe(false);
  });

  it("may not cost the gateway's memory or minutes, nor be too weak to check", () => {
    const salt = "AAAAAAAAAAAAAAAAAAAAAA==";
    const hash = Buffer.alloc(32).toString("base64");
    expect(parsePasswordHash(`scrypt$16384$8$1$${salt}$${hash}`)).toBeDefined();
    for (const bad of [
      `scrypt$16385$8$1$${salt}$${hash}`,
      `scrypt$2097152$8$1$${salt}$${hash}`,
      `scrypt$1048576$64$1$${salt}$${hash}`,
      `scrypt$16384$8$17$${salt}$${hash}`,
      `scrypt$16384$0$1$${salt}$${hash}`,
      `scrypt$0$8$1$${salt}$${hash}`,
      `scrypt$16384$8$1$AAAA$${hash}`,
      `scrypt$16384$8$1$${salt}$AAAA`,
      `scrypt$16384$8$1$${salt}$`,
      `bcrypt$16384$8$1$${salt}$${hash}`,
      "password",
    ]) {
      expect(parsePasswordHash(bad), bad).toBeUndefined();
    }
    expect(parsePasswordHash(VECTOR), "the salt of the RFC has 4 bytes").toBeUndefined();
  });

  it("agree with RFC 7914", async () => {
    const [, cost, blockSize, parallelization, salt, hash] = VECTOR.split("$");
    const stored = {
      cost: Number(cost),
      blockSize: Number(blockSize),
      parallelization: Number(parallelization),
      salt: Buffer.from(salt!, "base64"),
      hash: Buffer.from(hash!, "base64"),
    };
    expect(await verifyPassword(Buffer.from("password"), stored)).toBe(true);
  });
});

describe("a user file", () => {
  it("says where it is wrong, and never what stands there", async () => {
    const good = await hashPassword("x");
    for (const [text, line] of [
      ["pump", 1],
      [`# pumps\npump:${good}\nvalve:hunter2\n`, 3],
      [`:${good}`, 1],
      [`pump:${good}\n\npump:${good}\n`, 3],
    ] as const) {
      expect(() => parseUsers(text, "/etc/weir/users")).toThrow(
        expect.objectContaining({
          code: "users-file-invalid",
          message: expect.stringMatching(`^/etc/weir/users:${line} (?!.*hunter2)`),
        }),
      );
    }
    expect([...parseUsers(`\r\n# x\r\na:b:${good}\r\n`, "u").keys()]).toEqual(["a:b"]);
  });
});

describe("LoginThrottle", () => {
  it("refuses an address after ten failures, and lets one more look through every five seconds", () => {
    const clock = new ManualClock();
    const throttle = new LoginThrottle(clock);
    for (let n = 0; n < 10; n++) {
      expect(throttle.allows("10.0.0.1")).toBe(true);
      throttle.failed("10.0.0.1");
    }
    expect(throttle.allows("10.0.0.1")).toBe(false);
    expect(throttle.allows("::ffff:10.0.0.1")).toBe(false);
    expect(throttle.allows("10.0.0.2")).toBe(true);
    clock.advance(4_999);
    expect(throttle.allows("10.0.0.1")).toBe(false);
    clock.advance(1);
    expect(throttle.allows("10.0.0.1")).toBe(true);
    throttle.failed("10.0.0.1");
    expect(throttle.allows("10.0.0.1")).toBe(false);
  });

  it("takes the hosts of one IPv6 network as one, and never locks out the loopback", () => {
    const throttle = new LoginThrottle(new ManualClock());
    for (let n = 0; n < 20; n++) {
      throttle.failed(`2001:db8:1:2::${n}`);
      throttle.failed("127.0.0.1");
      throttle.failed("::1");
      throttle.failed("::ffff:127.0.0.1");
    }
    expect(throttle.allows("2001:db8:1:2:ffff::1")).toBe(false);
    expect(throttle.allows("2001:db8:1:3::1")).toBe(true);
    for (const local of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) expect(throttle.allows(local)).toBe(true);
  });

  it("remembers a bounded number of addresses, the newest ones", () => {
    const throttle = new LoginThrottle(new ManualClock());
    for (let n = 0; n < 10; n++) throttle.failed("10.0.0.1");
    for (let n = 0; n < 1_023; n++) throttle.failed(`10.1.${n >> 8}.${n & 255}`);
    expect(throttle.allows("10.0.0.1")).toBe(false);
    throttle.failed("10.2.0.0");
    expect(throttle.allows("10.0.0.1")).toBe(true);
  });

  it("knows the loopback by its names", () => {
    expect(["127.0.0.1", "127.1.2.3", "::1", "localhost"].map(isLoopback)).toEqual([true, true, true, true]);
    expect(["0.0.0.0", "::", "128.0.0.1", "127.0.0.1.example.org", ""].map(isLoopback)).not.toContain(true);
  });
});

describe("Authenticator", () => {
  const login = (given: Partial<Login>): Login => ({
    username: "pump",
    password: Buffer.from("wrong"),
    address: "10.0.0.9",
    certified: false,
    gone: () => false,
    ...given,
  });

  async function started(): Promise<{ readonly guard: Authenticator; readonly clock: ManualClock }> {
    const clock = new ManualClock();
    const guard = new Authenticator({ users: undefined, anonymous: false, clock });
    guard.replaceUsers(parseUsers(`pump:${await hashPassword("right")}`, "users"));
    return { guard, clock };
  }

  it("counts guesses that were made at the same time, and then does not look at passwords any more", async () => {
    const { guard } = await started();
    const guesses = await Promise.all(Array.from({ length: 30 }, () => guard.check(login({}))));
    const count = (verdict: Verdict): number => guesses.filter((guess) => guess === verdict).length;
    // Two are checked at a time, so one more than the ten may have begun.
    expect(count("wrong")).toBeLessThanOrEqual(11);
    expect(count("wrong") + count("throttled")).toBe(30);
    expect(await guard.check(login({ password: Buffer.from("right") }))).toBe("throttled");
    expect(await guard.check(login({ password: Buffer.from("right"), address: "10.0.0.10" }))).toBe(
      "accepted",
    );
  });

  it("does not check the password of a client that has gone", async () => {
    const { guard } = await started();
    expect(await guard.check(login({ gone: () => true }))).toBe("gone");
  });

  it("forgets passwords that were right when the users are replaced", async () => {
    const { guard } = await started();
    const right = login({ password: Buffer.from("right") });
    expect([await guard.check(right), await guard.check(right)]).toEqual(["accepted", "accepted"]);
    const mayStay = guard.replaceUsers(parseUsers(`pump:${await hashPassword("new")}`, "users"));
    expect(mayStay("pump")).toBe(false);
    expect(await guard.check(right)).toBe("wrong");
  });
});
