/** Whether only programs on the same machine can reach the address: a name, or IPv4 or IPv6 without brackets. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
