import { format, inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { Secret } from "../../../src/config/secret.js";

describe("a secret", () => {
  const secret = new Secret("hunter2");

  it("is given out only when asked for by name", () => {
    expect(secret.reveal()).toBe("hunter2");
  });

  it("does not print, however it is printed", () => {
    const texts = [
      `${secret}`,
      String(secret),
      `a${secret as unknown as string}`,
      JSON.stringify({ secret }),
      inspect({ deep: { secret } }, { depth: null, showHidden: true }),
      format("%s %o %O %j", secret, secret, secret, secret),
      Object.entries({ ...secret }).join(),
      JSON.stringify(structuredClone({ ...secret })),
    ];
    for (const text of texts) expect(text).not.toContain("hunter2");
  });
});
