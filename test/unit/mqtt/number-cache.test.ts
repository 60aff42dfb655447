import { createRequire } from "node:module";
import { expect, it } from "vitest";
import "../../../src/mqtt/session.js";
import "../../../src/source/local-broker.js";

const requireHere = createRequire(import.meta.url);

it.each(["aedes", "mqtt"])(
  "no buffer is kept for every packet id there is, by the mqtt-packet of %s",
  (library) => {
    const requireThere = createRequire(requireHere.resolve(library));
    const { writeToStream } = requireThere("mqtt-packet") as typeof import("mqtt-packet");
    expect(writeToStream.cacheNumbers).toBe(false);
  },
);
