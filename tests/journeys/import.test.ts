/** A real operator's feed becomes a city, and one of its cars is rented at its own published tariff. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { type ApiUser, demoUser, importFeed, type Program, startProgram, until } from './program.ts';

const feed = fileURLToPath(new URL('../../libs/gbfs/fixtures/v3.0-nabobil/', import.meta.url));

let program: Program;
let rider: ApiUser;

beforeAll(async () => {
  program = await startProgram({ environment: { MOBILITY_VEHICLES: '0' } });
  rider = await demoUser(program.url, `driver-${v7()}@example.com`);
});
afterAll(() => program?.dispose());

interface Booking {
  id: string;
  state: string;
  price: { totalMinor: number; currency: string };
}

test('a car of an imported feed is rented for two hours at its hourly price', async () => {
  expect(await importFeed(program, feed)).toMatchObject({ code: 0 });
  // Twice is once.
  expect(await importFeed(program, feed)).toMatchObject({ code: 0 });
  const { body: cities } = await rider.get<{ items: { id: string; currency: string; center: { lat: number; lon: number } }[] }>('/v1/cities');
  const city = cities.items.find(({ currency }) => currency === 'NOK');
  expect(city).toBeDefined();

  const around = `lat=${city?.center.lat}&lon=${city?.center.lon}&radiusMetres=20000`;
  const { body: search } = await rider.get<{ items: { id: string }[] }>(`/v1/vehicles?${around}&type=car`);
  expect(search.items.map(({ id }) => id)).toContain('NB:Vehicle:1');
  const vehicleId = 'NB:Vehicle:1';

  // 95 NOK for each started hour, as the feed says.
  const quote = await rider.post<{ id: string; totalMinor: number; currency: string }>('/v1/quotes', { vehicleId, minutes: 120 });
  expect(quote.body).toMatchObject({ totalMinor: 19_000, currency: 'NOK' });
  const booked = await rider.post<Booking>('/v1/bookings', { vehicleId, quoteId: quote.body.id, minutes: 120 });
  expect(booked).toMatchObject({ status: 201, body: { state: 'confirmed' } });
  // The car wakes in the simulator some seconds after the import.
  await until(async () => (await rider.post<Booking>(`/v1/bookings/${booked.body.id}/unlock-remotely`)).body.state === 'riding', 60_000);
  const ended = await until(async () => {
    const answer = await rider.post<Booking>(`/v1/bookings/${booked.body.id}/end`, { photoIds: [await rider.photo()] });
    return answer.status === 200 && answer.body;
  }, 60_000);
  expect(ended.price).toMatchObject({ totalMinor: 19_000, currency: 'NOK' });
  const receipt = await until(async () => {
    const answer = await rider.get<{ totalMinor: number; currency: string }>(`/v1/bookings/${booked.body.id}/receipt`);
    return answer.status === 200 && answer.body;
  });
  expect(receipt).toMatchObject({ totalMinor: 19_000, currency: 'NOK' });
}, 150_000);

test('what is no feed is refused with a sentence, and changes nothing', async () => {
  const before = await rider.get('/v1/cities');
  const { code, output } = await importFeed(program, fileURLToPath(new URL('.', import.meta.url)));
  expect(code).toBe(1);
  expect(output).toMatch(/gbfs/i);
  expect((await rider.get('/v1/cities')).body).toEqual(before.body);
}, 60_000);
