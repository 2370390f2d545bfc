import ipaddr from 'ipaddr.js';

/** Tells whether an address may be connected to. */
export type AllowedAddress = (address: string) => boolean;

/**
 * Allows what is anybody's in the public net, and what lies in one of these networks. Whatever has another use is refused: private, loopback,
 * link-local and reserved addresses, those for documentation and benchmarks, and IPv6 forms that carry an IPv4 address elsewhere. An IPv4 address
 * that is written as IPv6 is taken for what it is.
 */
export function allowedAddress(networks: readonly string[]): AllowedAddress {
  const allowed = networks.map((network) => ipaddr.parseCIDR(network));
  return (text) => {
    if (!ipaddr.isValid(text)) return false;
    const address = ipaddr.process(text);
    return (
      address.range() === 'unicast' ||
      allowed.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits))
    );
  };
}
