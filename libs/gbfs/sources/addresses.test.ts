import { describe, expect, it } from 'vitest';
import { isReservedAddress } from './addresses.ts';

describe('addresses', () => {
  it.each([
    '127.0.0.1', '127.8.8.8', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254', '100.64.0.1', '224.0.0.1', '255.255.255.255', '198.18.0.1',
    '::1', '::', 'fe80::1', 'fe80::1%eth0', 'fc00::1', 'fd12:3456::1', 'ff02::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:8.8.8.8', '64:ff9b::7f00:1', '2002:7f00:1::', '2001::1', '2001:db8::1', 'localhost', '', '1.2.3',
  ])('%s is reserved', (address) => expect(isReservedAddress(address)).toBe(true));

  it.each(['8.8.8.8', '172.15.0.1', '172.32.0.1', '193.99.144.80', '2a02:2e0:3fe:1001:302::', '2606:4700::1111'])('%s is public', (address) => expect(isReservedAddress(address)).toBe(false));
});
