import { allowedAddress } from '../../src/webhooks/allowedAddress.js';

const refused = [
  ...['0.0.0.0', '10.0.0.1', '100.64.0.1', '127.0.0.1', '169.254.169.254', '172.16.0.1', '192.168.1.1'],
  ...['192.0.2.1', '198.18.0.1', '203.0.113.9', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
  ...['::', '::1', 'fe80::1', 'fe80::1%lo', 'fc00::1', 'fd00::1', 'ff02::1', '2001:db8::1', '2002:7f00:1::'],
  ...['::ffff:127.0.0.1', '::ffff:a00:1', '64:ff9b::7f00:1', '2001:0:4136:e378::1', 'localhost', ''],
];

describe('an address', () => {
  it.each(refused)('%s is refused', (address) => {
    expect(allowedAddress([])(address)).toBe(false);
  });

  it.each(['1.1.1.1', '2606:4700:4700::1111', '::ffff:1.1.1.1'])('%s is public', (address) => {
    expect(allowedAddress([])(address)).toBe(true);
  });

  it('of a network that is allowed is allowed, and no other', () => {
    const isAllowed = allowedAddress(['10.1.0.0/16', 'fd00::/8']);
    expect(['10.1.2.3', '::ffff:10.1.2.3', 'fd00::1'].map(isAllowed)).toEqual([true, true, true]);
    expect(['10.2.0.1', '127.0.0.1', 'fc00::1'].map(isAllowed)).toEqual([false, false, false]);
  });
});
