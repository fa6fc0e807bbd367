import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { topics } from '../../../edge/protocol/topics.ts';
import { Allowance, createCertificateTopic, isMeantBy, maySubscribe, PacketSizeGuard, registerTopic, routeOf } from './policy.ts';

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

const device = { kind: 'device', name: 'F-MC_1000:E.1' } as const;
const claim = { kind: 'claim', name: 'F-MC_1000:E.1' } as const;
/** Names that begin like ours, end like ours, or are longer or shorter. */
const otherName = fc.stringMatching(/^[A-Za-z0-9:._-]{1,20}$/).filter((name) => name !== device.name);

describe('what a device may say and hear', () => {
  test.each([
    [topics.telemetry(device.name), 'telemetry'], [topics.state(device.name), 'state'], [topics.alerts(device.name), 'alerts'], [topics.shadow(device.name, 'update', 'lights'), 'request'],
    [topics.jobs(device.name, 'start-next'), 'request'], [topics.createCertificateFromCsr, 'request'], [topics.commands(device.name), undefined], [`vehicles/${device.name}/state/`, undefined],
    [`vehicles/${device.name}x/state`, undefined], [`vehicles/${device.name}`, undefined], [`$aws/things/${device.name}`, undefined], [topics.unlockKeys, undefined], ['', undefined],
  ])('IOT-05: %s is %s', (topic, route) => {
    expect(routeOf(device, topic)).toBe(route);
  });

  test('IOT-05: no topic of another vehicle is a route, whatever its name', () => {
    fc.assert(
      fc.property(fc.oneof(otherName, otherName.map((name) => device.name + name), otherName.map((name) => name + device.name), fc.constant(device.name.slice(0, -1))), (name) => {
        expect([topics.telemetry(name), topics.state(name), topics.alerts(name), topics.shadow(name, 'get'), topics.jobs(name, 'get')].map((topic) => routeOf(device, topic))).toEqual(Array(5).fill(undefined));
        expect([topics.commands(name), topics.shadow(name, 'get'), `$aws/things/${name}/#`].map((topic) => maySubscribe(device, topic))).toEqual([false, false, false]);
      }),
    );
  });

  test('IOT-06: wildcards are granted below the own thing only', () => {
    for (const filter of [`$aws/things/${device.name}/#`, `$aws/things/${device.name}/shadow/get/+`, `${topics.createCertificateFromCsr}/+`, `${registerTopic}/rejected`]) expect(maySubscribe(device, filter)).toBe(true);
    for (const filter of ['#', '+/+', '$aws/#', '$aws/things/+/shadow/get/accepted', '$aws/things/#', `$aws/things/${device.name}/`, 'vehicles/+/commands', topics.createCertificateFromCsr, '$aws/certificates/#']) expect(maySubscribe(device, filter)).toBe(false);
  });

  test('IOT-17: a claim asks for certificates and hears the answers', () => {
    expect([topics.createCertificateFromCsr, createCertificateTopic, registerTopic, topics.state(claim.name), topics.shadow(claim.name, 'get')].map((topic) => routeOf(claim, topic))).toEqual(['request', 'request', 'request', undefined, undefined]);
    expect([`${registerTopic}/accepted`, topics.unlockKeys, topics.commands(claim.name), `$aws/things/${claim.name}/#`].map((filter) => maySubscribe(claim, filter))).toEqual([true, false, false, false]);
  });

  test('IOT-06: a filter means what MQTT says', () => {
    const meant: [string, string][] = [['a/b', 'a/b'], ['a/+', 'a/b'], ['a/#', 'a/b/c'], ['a/#', 'a'], ['+/b', 'a/b'], ['a/+/c', 'a//c']];
    const other: [string, string][] = [['a/b', 'a/b/c'], ['a/+', 'a'], ['a/+', 'a/b/c'], ['a/+/d', 'a/b/c'], ['a', 'b'], ['b/#', 'a/b']];
    expect(meant.filter(([filter, topic]) => !isMeantBy(filter, topic))).toEqual([]);
    expect(other.filter(([filter, topic]) => isMeantBy(filter, topic))).toEqual([]);
  });
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
