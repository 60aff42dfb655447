import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { temporaryFolder } from "./tools.js";

const run = promisify(execFile);

export interface Certificates {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
}

/** A certificate authority for one test, with a certificate for `localhost` and 127.0.0.1 and one for a client. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await temporaryFolder();
  const path = (name: string): string => join(folder, name);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await run("openssl", [
    ...["req", "-x509", ...key, "-subj", "/CN=Test CA"],
    ...["-keyout", path("ca.key"), "-out", path("ca.pem")],
  ]);
  const issue = async (name: string, alternatives: string): Promise<{ cert: string; key: string }> => {
    await run("openssl", [
      ...["req", "-x509", ...key, "-subj", `/CN=${name}`, "-addext", `subjectAltName=${alternatives}`],
      ...["-CA", path("ca.pem"), "-CAkey", path("ca.key")],
      ...["-keyout", path(`${name}.key`), "-out", path(`${name}.pem`)],
    ]);
    return { cert: path(`${name}.pem`), key: path(`${name}.key`) };
  };
  return {
    ca: path("ca.pem"),
    server: await issue("server", "DNS:localhost,IP:127.0.0.1"),
    client: await issue("client", "DNS:client"),
  };
}
