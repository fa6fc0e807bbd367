/** What the contracts themselves let in, without a program. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { objectsIn, type Sample, samples, withAt } from './samples.ts';

const nameOf = ({ module, name }: Sample): string => `${module}.${name}`;
const all = samples();
const withBody = all.filter(({ operation, body }) => operation.body && body !== undefined);

/** What somebody would like to be decided by the sender. */
const planted = {
  role: 'admin', roles: ['admin'], isAdmin: true, scope: 'cities:manage', state: 'charged', status: 'available', riderId: '0198c5a0-0000-7000-8000-00000000beef', subject: 'x', accountId: 'x', ownerId: 'x',
  priceMinor: 0, totalMinor: 0, authorisedMinor: 0, taxMinor: 0, multiplier: 0, lines: [], depositMinor: 0, verified: true, identityVerified: true, licenceVerified: true, passwordHash: 'x', createdAt: '2026-01-01T00:00:00Z', createdBy: 'x', keyId: 'x', sha256: 'x',
};

/** Objects whose members are free, as what they are is up to whoever sends them. */
const free: Record<string, string> = {
  'iot.updateDesired /desired': 'a document that the platform keeps for the vehicle; what is wanted of a vehicle is read by the agent, member by member',
  'vehicle.putCity /tariffs/0/name': 'a name by language',
};

test('the samples that the attacks are made from fit their contracts', () => {
  const wrong = all.flatMap((sample) => (['params', 'query', 'body'] as const).flatMap((part) => {
    const parsed = sample.operation[part] && sample[part] !== undefined ? sample.operation[part].safeParse(sample[part]) : undefined;
    return parsed && !parsed.success ? [`${nameOf(sample)} ${part}: ${parsed.error.message}`] : [];
  }));
  expect(wrong).toEqual([]);
});

test.each(withBody.map((sample) => [`${sample.operation.method} ${sample.operation.path}`, sample] as const))('THREAT-23: %s refuses or leaves out members that it did not ask for, at every level', (_name, sample) => {
  const { body, operation } = sample;
  for (const path of objectsIn(body)) {
    if (`${nameOf(sample)} /${path.join('/')}` in free) continue;
    const own = new Set(Object.keys(path.reduce((value, name) => (value as Record<string | number, object>)[name] ?? {}, body as object)));
    for (const [member, value] of Object.entries(planted).filter(([name]) => !own.has(name))) {
      const parsed = operation.body?.safeParse(withAt(body, path, (there) => ({ ...(there as object), [member]: value })));
      if (!parsed?.success) continue;
      const there = path.reduce((read, name) => (read as Record<string | number, object>)[name] ?? {}, parsed.data as object);
      expect(Object.keys(there), `${nameOf(sample)} /${path.join('/')} ${member}`).not.toContain(member);
    }
  }
});

test('THREAT-23: objects with free members are those that are listed, each with a reason', () => {
  const found = withBody.flatMap((sample) => objectsIn(sample.body).filter((path) => {
    const parsed = sample.operation.body?.safeParse(withAt(sample.body, path, (there) => ({ ...(there as object), zz: 'a member that nobody asked for' })));
    return parsed?.success && JSON.stringify(parsed.data).includes('nobody asked for');
  }).map((path) => `${nameOf(sample)} /${path.join('/')}`));
  expect(found.toSorted()).toEqual(Object.keys(free).toSorted());
});

/** Every pattern of every contract, with where it is. */
function patternsIn(schema: unknown, at: string): { pattern: string; at: string }[] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([name, member]) => (name === 'pattern' && typeof member === 'string' ? [{ pattern: member, at }] : patternsIn(member, `${at}/${name}`)));
}

test('THREAT-15: no pattern of a contract takes long over any text', () => {
  const patterns = all.flatMap((sample) => (['params', 'query', 'body', 'response'] as const).flatMap((part) => {
    const schema = sample.operation[part];
    return schema ? patternsIn(z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }), `${nameOf(sample)} ${part}`) : [];
  }));
  const distinct = [...new Map(patterns.map((each) => [each.pattern, each])).values()];
  expect(distinct.length).toBeGreaterThan(5);
  const units = ['a', '0', '.', ',', '-', '1.', '1,', '-1', 'a@', 'a.', 'a-', ':', '+', ' ', '\n', '😀', '0.0,', 'Z', 'T00:00:00'];
  for (const { pattern, at } of distinct) {
    const expression = new RegExp(pattern, 'u');
    for (const unit of units) {
      for (const tail of ['', '!', '\0']) {
        const text = unit.repeat(Math.ceil(50_000 / unit.length)) + tail;
        const startedMs = performance.now();
        expression.test(text);
        expect(performance.now() - startedMs, `${at} ${pattern} with ${JSON.stringify(unit)}`).toBeLessThan(1_000);
      }
    }
  }
});

test('THREAT-15: every text that comes in has a greatest length, or is bounded by the body', () => {
  for (const sample of all) {
    const limitBytes = sample.operation.bodyLimitBytes ?? 128 * 1024;
    expect(limitBytes, nameOf(sample)).toBeLessThanOrEqual(sample.operation.access === 'anyone' ? 128 * 1024 : 64 * 1024 * 1024);
    // Large bodies are for those who are trusted with a city, a bundle or a photo.
    if (limitBytes > 128 * 1024) expect(['vehicle.putCity', 'rollout.createBundle', 'booking.uploadPhoto']).toContain(nameOf(sample));
  }
});
