import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector } from 'undici';
import type { AllowedAddress } from './allowedAddress.js';

/** The address of a receiver is refused; which one it is, is told to nobody who could look around in a network by it. */
export class AddressRefused extends Error {
  constructor() {
    super('it leads to an address that is refused');
  }
}

/**
 * Makes connections to allowed addresses only. What is looked at is the address that is connected to, for names and literals alike: a name that
 * leads elsewhere a moment later gains nothing. One refused address of several refuses the name.
 */
export function createGuardedAgent(isAllowed: AllowedAddress, connectTimeoutMs: number): Agent {
  const guardedLookup: LookupFunction = (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, '');
        return;
      }
      const [first] = addresses;
      if (first === undefined || !addresses.every(({ address }) => isAllowed(address)))
        callback(new AddressRefused(), '');
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
  const connect = buildConnector({ lookup: guardedLookup, timeout: connectTimeoutMs });
  return new Agent({
    connect: (options, callback) => {
      const host = options.hostname.replace(/^\[|\]$/g, '');
      if (isIP(host) !== 0 && !isAllowed(host)) callback(new AddressRefused(), null);
      else connect(options, callback);
    },
    // The whole attempt has a clock of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: 16_384,
  });
}
