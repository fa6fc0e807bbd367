import { expect, test } from 'vitest';
import { addressOf, createApi } from './client';
import { Failure } from './failure';

interface Seen {
  url: string;
  headers: Record<string, string>;
}

/** A platform that answers from a list and keeps what it was asked. */
function platform(answers: (() => Response)[]): { fetch: typeof fetch; seen: Seen[] } {
  const seen: Seen[] = [];
  const answer: typeof fetch = async (url, init) => {
    seen.push({ url: String(url), headers: init?.headers as Record<string, string> });
    const next = answers[seen.length - 1];
    if (!next) throw new TypeError('no network');
    return next();
  };
  return { fetch: answer, seen };
}

const json = (value: unknown, status = 200) => (): Response => new Response(JSON.stringify(value), { status });

test('paths are filled and queries repeated, with what needs escaping escaped', () => {
  expect(addressOf('/v1/vehicles/{vehicleId}', { params: { vehicleId: 'a b/c' } })).toBe('/v1/vehicles/a%20b%2Fc');
  expect(addressOf('/v1/vehicles', { query: { type: ['car', 'van'], minBattery: undefined, lat: 50 } })).toBe('/v1/vehicles?type=car&type=van&lat=50');
});

test('a refused token is renewed once, and the call made again with the same idempotency key', async () => {
  const { fetch, seen } = platform([json({}, 401), json({ id: 'b' }, 201)]);
  const api = createApi('', async (forceFresh) => (forceFresh ? 'new' : 'old'), fetch);
  await api.call('createBooking', { body: { vehicleId: 'v' } });
  expect(seen.map(({ headers }) => headers['authorization'])).toEqual(['Bearer old', 'Bearer new']);
  expect(seen[0]?.headers['idempotency-key']).toBeTruthy();
  expect(seen[1]?.headers['idempotency-key']).toBe(seen[0]?.headers['idempotency-key']);
});

test('a problem keeps its code, its pointers and its status', async () => {
  const { fetch } = platform([json({ code: 'invalid-request', errors: [{ pointer: '/body/name', message: 'x' }] }, 400)]);
  const failure = await createApi('', async () => undefined, fetch).call('listCities', {}).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Failure);
  expect(failure).toMatchObject({ code: 'invalid-request', status: 400, pointers: ['/body/name'] });
});

test('an answer that is no problem document, and no answer at all, are told apart', async () => {
  const { fetch } = platform([() => new Response('<html>', { status: 502 })]);
  const api = createApi('', async () => undefined, fetch);
  await expect(api.call('listCities', {})).rejects.toMatchObject({ code: 'internal', status: 502 });
  await expect(api.call('listCities', {})).rejects.toMatchObject({ code: 'offline' });
});

test('each call begins a trace, which its second attempt goes on with', async () => {
  const { fetch, seen } = platform([json({}, 401), json({ id: 'b' }, 201), json({ items: [] })]);
  const api = createApi('', async (forceFresh) => (forceFresh ? 'new' : 'old'), fetch);
  await api.call('createBooking', { body: { vehicleId: 'v' } });
  await api.call('listCities', {});
  const [first, second, third] = seen.map(({ headers }) => headers['traceparent']);
  expect(first).toMatch(/^00-[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01$/);
  expect(second).toBe(first);
  expect(third).not.toBe(first);
});
