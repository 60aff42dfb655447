const REACH = "check host and port of the url, that the broker runs, and that no firewall is in between";
const NAME = "check the host of the url, and the gateway's name server";
const NETWORK = "check the gateway's network and its route to the broker";
const TRUST = "give the authority that signed the broker's certificate as tls.ca";
const LOGIN = "check username and password, and that the broker lets them and the clientId in";

const REMEDIES: Readonly<Record<string, string>> = {
  "refused-protocol": "the broker has to speak MQTT 3.1.1",
  "refused-client-id": "give another clientId",
  "refused-unavailable": "look at the broker's log",
  "refused-credentials": LOGIN,
  "refused-not-authorized": LOGIN,
  ECONNREFUSED: REACH,
  ETIMEDOUT: REACH,
  timeout: REACH,
  ENOTFOUND: NAME,
  EAI_AGAIN: NAME,
  EHOSTUNREACH: NETWORK,
  ENETUNREACH: NETWORK,
  CERT_HAS_EXPIRED: "renew the broker's certificate, or set the gateway's clock",
  CERT_NOT_YET_VALID: "set the gateway's clock, or check the broker's certificate",
  DEPTH_ZERO_SELF_SIGNED_CERT: TRUST,
  SELF_SIGNED_CERT_IN_CHAIN: TRUST,
  UNABLE_TO_GET_ISSUER_CERT: TRUST,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TRUST,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: TRUST,
  ERR_TLS_CERT_ALTNAME_INVALID: "write the url with a name that is in the broker's certificate",
  "tls-unusable": "check the certificates and the key under tls: PEM, and the key without a passphrase",
};

/** For what is in no list: a broker that ends the connection at once, or something that is no broker. */
const OTHERWISE =
  "check that the url is that of a broker, mqtts:// where it speaks TLS, and look at the broker's log";

/** What the operator can do about a connection that does not come about. @param code what it failed with */
export function connectRemedy(code: string): string {
  return REMEDIES[code] ?? OTHERWISE;
}
