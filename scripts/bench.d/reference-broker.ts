/** What Weir's broker is compared with: aedes of the same version, with nothing attached. */

import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { Aedes } from "aedes";

const broker = await Aedes.createBroker();
const server = createServer({ noDelay: true }, broker.handle);
server.listen(0, "127.0.0.1", () => console.log(`port=${(server.address() as AddressInfo).port}`));
process.on("SIGTERM", () => process.exit(0));
