/** Addresses that somebody else chose: what the program calls, and where a redirect takes it. */
import { MockAgent } from 'undici';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadGbfs } from '../../libs/gbfs/index.ts';
import { readConfiguration } from '../../server/program/configuration.ts';

const mocked = vi.hoisted(() => ({ agent: undefined as unknown }));

/** Whatever is called goes to the mock, with the name checked as ever: nothing leaves this machine. */
vi.mock('undici', async (importOriginal) => {
  const original = await importOriginal<typeof import('undici')>();
  return { ...original, fetch: (url: URL, init: object) => original.fetch(url, { ...init, dispatcher: mocked.agent as MockAgent }) };
});

let agent: MockAgent;
beforeEach(() => {
  agent = new MockAgent();
  agent.disableNetConnect();
  mocked.agent = agent;
});
afterEach(() => agent.close());

const inside = ['http://169.254.169.254/latest/meta-data/iam/', 'http://127.0.0.1:5432/', 'http://[::1]:8080/metrics', 'http://10.0.0.1/', 'http://192.168.1.1/', 'http://[::ffff:127.0.0.1]/', 'http://[fd00::1]/', 'http://[64:ff9b::a9fe:a9fe]/', 'http://0/', 'http://0x7f000001/', 'http://017700000001/', 'http://2852039166/'];

test.each(inside)('THREAT-60: a feed that redirects to %s is not followed there', async (target) => {
  const pool = agent.get('http://feed.example.net');
  pool.intercept({ path: '/gbfs.json' }).reply(302, '', { headers: { location: target } });
  await expect(loadGbfs('http://feed.example.net/gbfs.json', { retries: 0 })).rejects.toMatchObject({ code: 'address-not-allowed' });
  expect(agent.pendingInterceptors()).toEqual([]);
});

test.each(['file:///etc/passwd', 'ftp://feed.example.net/a', 'gopher://127.0.0.1:6379/_FLUSHALL', 'data:application/json,{}', 'javascript:alert(1)'])('THREAT-60: a feed that redirects to %s is not followed there', async (target) => {
  agent.get('http://feed.example.net').intercept({ path: '/gbfs.json' }).reply(302, '', { headers: { location: target } });
  await expect(loadGbfs('http://feed.example.net/gbfs.json', { retries: 0 })).rejects.toMatchObject({ code: 'url-not-allowed' });
});

test('THREAT-60: a feed whose discovery file names an inner address reads all but that one', async () => {
  const pool = agent.get('http://feed.example.net');
  pool.intercept({ path: '/gbfs.json' }).reply(200, JSON.stringify({ last_updated: '2025-10-09T08:53:20Z', ttl: 0, version: '3.0', data: { feeds: [{ name: 'system_information', url: 'http://feed.example.net/information' }, { name: 'vehicle_types', url: 'http://169.254.169.254/latest/user-data' }] } }));
  pool.intercept({ path: '/information' }).reply(200, JSON.stringify({ last_updated: '2025-10-09T08:53:20Z', ttl: 0, version: '3.0', data: { system_id: 's', languages: ['en'], name: [{ text: 'S', language: 'en' }], timezone: 'Europe/Oslo', opening_hours: 'off', feed_contact_email: 'a@example.net' } }));
  const system = await loadGbfs('http://feed.example.net/gbfs.json', { retries: 0 });
  expect(system.feeds.find(({ feed }) => feed === 'vehicle_types')).toMatchObject({ state: 'failed', reason: expect.stringContaining('private address') });
});

test('THREAT-61: no operation of the public API takes an address that the program would call', async () => {
  const { samples, textsIn } = await import('./samples.ts');
  const named = samples().flatMap(({ module, name, params, query, body }) => textsIn({ params, query, body }).filter((path) => /ur[il]|href|webhook|callback|endpoint|host/i.test(String(path.at(-1)))).map((path) => `${module}.${name} /${path.join('/')}`));
  expect(named).toEqual([]);
});

test('THREAT-61: addresses that the program calls are settings, and are addresses', () => {
  for (const name of ['MOBILITY_MAP_STYLE_URL', 'MOBILITY_STRIPE_URL', 'MOBILITY_ADYEN_URL', 'MOBILITY_PUBLIC_URL']) expect(() => readConfiguration({ [name]: 'not an address' })).toThrow(name);
});
