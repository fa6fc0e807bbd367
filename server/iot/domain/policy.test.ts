import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Allowance, isDeviceName, mayPublish, maySubscribe, PacketSizeGuard } from './policy.ts';

const packet = (bytes: number): Uint8Array => {
  const header = [0x30];
  let left = bytes;
  do {
    header.push((left % 128) | (left >= 128 ? 0x80 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return Uint8Array.from([...header, ...new Array<number>(bytes).fill(0xff)]);
};

describe('packet sizes', () => {
  test('IOT-10: packets within the limit pass, however the network cuts them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (sizes, cuts) => {
        const guard = new PacketSizeGuard(300);
        const stream = Buffer.concat(sizes.map(packet));
        for (let offset = 0, cut = 0; offset < stream.length; cut++) {
          const length = cuts[cut % cuts.length] ?? 1;
          if (!guard.accepts(stream.subarray(offset, offset + length))) return false;
          offset += length;
        }
        return true;
      }),
    );
  });

  test('IOT-10: one byte more is refused as soon as it is announced', () => {
    expect(new PacketSizeGuard(300).accepts(packet(301).subarray(0, 3))).toBe(false);
    expect(new PacketSizeGuard(300).accepts(packet(300))).toBe(true);
    expect(new PacketSizeGuard(2 ** 28).accepts(Uint8Array.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x80]))).toBe(false);
  });
});

test('IOT-05: names and topics with wildcards, levels or control characters are nobody', () => {
  for (const name of ['', '#', '+', 'a/b', 'a b', 'a\u0000', 'x'.repeat(81)]) expect(isDeviceName(name, name)).toBe(false);
  expect(isDeviceName('F-MC_1000:E.1', 'F-MC_1000:E.1')).toBe(true);
  expect(mayPublish('a', 'vehicles/b/state')).toBe(false);
  expect(maySubscribe('a', 'vehicles/+/commands')).toBe(false);
});

test('IOT-14: a connection may publish a burst, then only as much as time gives', () => {
  const allowance = new Allowance({ burst: 3, perSecond: 2 }, 0);
  const granted = (nowMs: number) => Array.from({ length: 5 }, () => allowance.take(nowMs)).filter(Boolean).length;
  expect(granted(0)).toBe(3);
  expect(granted(400)).toBe(0);
  expect(granted(1000)).toBe(2);
  expect(granted(999)).toBe(0);
  expect(granted(3_600_000)).toBe(3);
});
