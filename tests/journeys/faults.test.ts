/** The power goes at every step of a ride; afterwards the ride goes on, and the invariants hold. */
import { afterEach, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { apiUser, type ApiUser, demoUser, type Program, startProgram, tinyJpeg, until } from './program.ts';

let program: Program | undefined;
afterEach(async () => {
  await program?.dispose();
  program = undefined;
});

interface Booking {
  id: string;
  state: string;
  vehicleId: string;
  price: { totalMinor: number };
}

const stateOf = async (user: ApiUser, id: string): Promise<Booking> => (await user.get<Booking>(`/v1/bookings/${id}`)).body;
const untilState = (user: ApiUser, id: string, states: string[], timeoutMs?: number): Promise<Booking> =>
  until(async () => {
    const booking = await stateOf(user, id);
    return states.includes(booking.state) && booking;
  }, timeoutMs);

async function availableVehicles(user: ApiUser, type: string): Promise<string[]> {
  const items = await until(async () => {
    const { body } = await user.get<{ items: { id: string }[] }>(`/v1/vehicles?lat=50.1109&lon=8.6821&radiusMetres=20000&type=${type}&minBattery=30&limit=200`);
    return body.items.length > 0 && body.items;
  });
  return items.map((item) => item.id);
}

async function expectMoneyToAddUp(url: string): Promise<void> {
  const staff = await demoUser(url, 'auditor@example.com', 'staff');
  const { body } = await staff.get<{ ledgerBalance: Record<string, number> }>('/v1/statistics/ledger');
  expect(Object.values(body.ledgerBalance).filter((balance) => balance !== 0)).toEqual([]);
}

test('killed at each step of a ride and started again: the ride goes on and is charged once', async () => {
  program = await startProgram({ environment: { MOBILITY_VEHICLES: '12' } });
  const { token } = await demoUser(program.url, `rider-${v7()}@example.com`);
  const rider = (): ApiUser => apiUser(program?.url ?? '', token);
  const loseThePower = async (): Promise<void> => {
    await program?.kill();
    program = await program?.restart();
  };

  const [vehicleId] = await availableVehicles(rider(), 'scooter');
  const key = v7();
  const first = await rider().post<Booking>('/v1/bookings', { vehicleId }, { 'idempotency-key': key });
  expect(first.status).toBe(201);
  const { id } = first.body;

  await loseThePower();
  expect((await stateOf(rider(), id)).state).toBe('confirmed');
  // The phone never heard the answer and asks again.
  expect((await rider().post<Booking>('/v1/bookings', { vehicleId }, { 'idempotency-key': key })).body.id).toBe(id);

  await rider().post(`/v1/bookings/${id}/unlock`);
  await loseThePower();
  const unlock = await rider().post<{ token: string; nearFieldUrl: string }>(`/v1/bookings/${id}/unlock`);
  const opened = await until(async () => {
    const answer = await fetch(unlock.body.nearFieldUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token: unlock.body.token }) });
    return answer.status !== 404 && answer;
  });
  expect(opened.status).toBe(200);

  // The vehicle is open, its report may or may not have been heard.
  await loseThePower();
  await untilState(rider(), id, ['riding'], 30_000);
  await loseThePower();
  expect((await stateOf(rider(), id)).state).toBe('riding');

  const photoId = await rider().photo();
  await until(async () => {
    const answer = rider().post(`/v1/bookings/${id}/end`, { photoIds: [photoId] }).catch(() => undefined);
    // The power goes somewhere between locking, pricing and charging.
    const ended = await Promise.race([answer, new Promise<undefined>((resume) => setTimeout(() => resume(undefined), 150))]);
    return ended?.status === 409 ? undefined : true;
  }, 60_000);
  await loseThePower();
  const after = await until(async () => {
    const booking = await stateOf(rider(), id);
    if (booking.state === 'charged') return booking;
    if (booking.state === 'riding') await rider().post(`/v1/bookings/${id}/end`, { photoIds: [photoId] });
    return undefined;
  }, 60_000);
  const receipt = await rider().get<{ totalMinor: number }>(`/v1/bookings/${id}/receipt`);
  expect(receipt.body.totalMinor).toBe(after.price.totalMinor);
  await expectMoneyToAddUp(program?.url ?? '');

  // The vehicle is not locked away: it can be booked again.
  await until(async () => {
    const booked = await rider().post<Booking>('/v1/bookings', { vehicleId });
    return booked.status === 201 && booked.body;
  }, 30_000);
}, 240_000);

test('killed while many book at once: every booking is decided, no vehicle has two, the money adds up', async () => {
  program = await startProgram({ environment: { MOBILITY_VEHICLES: '40' } });
  const tokens = await Promise.all(Array.from({ length: 12 }, async (_, index) => (await demoUser(program?.url ?? '', `many-${index}@example.com`)).token));
  const firstUser = apiUser(program.url, tokens[0] ?? '');
  const vehicleIds = await availableVehicles(firstUser, 'scooter');
  const wishes = tokens.map((token, index) => ({ user: token, body: { vehicleId: vehicleIds[index % vehicleIds.length] }, key: v7() }));
  const attempts = wishes.map(({ user, body, key }) => apiUser(program?.url ?? '', user).post<Booking>('/v1/bookings', body, { 'idempotency-key': key }).catch(() => undefined));
  await Promise.race(attempts);
  await program.kill();
  await Promise.all(attempts);
  program = await program.restart();

  const { url } = program;
  const bookings = await Promise.all(
    wishes.map(async ({ user, body, key }) => {
      const again = await apiUser(url, user).post<Booking & { code?: string }>('/v1/bookings', body, { 'idempotency-key': key });
      if (again.status !== 201) return undefined;
      return untilState(apiUser(url, user), again.body.id, ['confirmed', 'failed'], 60_000);
    }),
  );
  const holding = bookings.filter((booking) => booking?.state === 'confirmed').map((booking) => booking?.vehicleId);
  expect(holding.length).toBeGreaterThan(0);
  expect(new Set(holding).size).toBe(holding.length);
  await expectMoneyToAddUp(url);
}, 180_000);

test('a reservation that runs out while the program is down is expired at the next start', async () => {
  program = await startProgram({ environment: { MOBILITY_VEHICLES: '12' } });
  const { token } = await demoUser(program.url, `late-${v7()}@example.com`);
  const [vehicleId] = await availableVehicles(apiUser(program.url, token), 'scooter');
  const booked = await apiUser(program.url, token).post<Booking>('/v1/bookings', { vehicleId });
  expect(await program.stop()).toBe(0);
  program = await program.restart({ MOBILITY_CLOCK_OFFSET_SECONDS: String(31 * 60) });
  await untilState(apiUser(program.url, token), booked.body.id, ['expired']);
}, 120_000);

test('photos: malformed, of the wrong type and too large are refused, and nothing is kept', async () => {
  program = await startProgram({ environment: { MOBILITY_VEHICLES: '0' } });
  const { token } = await demoUser(program.url, `photo-${v7()}@example.com`);
  const upload = async (bytes: Uint8Array<ArrayBuffer>, part = 'photo') => {
    const form = new FormData();
    form.append(part, new Blob([bytes], { type: 'image/jpeg' }), 'x.jpg');
    const answer = await fetch(`${program?.url}/v1/photos`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'idempotency-key': v7() }, body: form });
    return { status: answer.status, code: ((await answer.json()) as { code?: string }).code };
  };
  expect(await upload(new TextEncoder().encode('<script>'))).toEqual({ status: 422, code: 'photo-unreadable' });
  expect(await upload(new Uint8Array(10 * 1024 * 1024).fill(0xff))).toEqual({ status: 413, code: 'payload-too-large' });
  expect((await upload(new Uint8Array(tinyJpeg))).status).toBe(201);
}, 60_000);
