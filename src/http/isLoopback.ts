/** Whether an address is one of this host alone. A name is none. */
export const isLoopback = (address: string): boolean =>
  /^(::ffff:)?127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/i.test(address) || address === '::1';
