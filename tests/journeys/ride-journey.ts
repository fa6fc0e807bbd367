/** A ride from search to receipt, through the public API, with a simulated vehicle of the program: the same in one process and in many. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { apiUser, type ApiUser, demoUser, type Program, until } from './program.ts';

interface Vehicle {
  id: string;
  type: string;
  position: { lat: number; lon: number };
  bayId: string | null;
}
interface Booking {
  id: string;
  state: string;
  price: { totalMinor: number; lines: { kind: string; amountMinor: number }[] };
  authorisedMinor: number;
  payment: { state: string };
}
interface Riding {
  program: Program;
  rider: ApiUser;
}

const nearest = async (rider: ApiUser, type: string): Promise<Vehicle> => {
  const vehicles = await until(async () => {
    const { body } = await rider.get<{ items: Vehicle[] }>(`/v1/vehicles?lat=50.1109&lon=8.6821&radiusMetres=20000&type=${type}&minBattery=30`);
    return body.items.length > 0 && body.items;
  });
  const [first] = vehicles;
  if (!first) throw new Error('no vehicle');
  return first;
};

const presentToken = async (rider: ApiUser, bookingId: string): Promise<void> => {
  const unlock = await rider.post<{ token: string; nearFieldUrl: string }>(`/v1/bookings/${bookingId}/unlock`);
  expect(unlock.status).toBe(200);
  // 404: the vehicle has not come to the street yet.
  const opened = await until(async () => {
    const answer = await fetch(unlock.body.nearFieldUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token: unlock.body.token }) });
    return answer.status !== 404 && answer;
  });
  expect(opened.status).toBe(200);
};

const bookingIn = (rider: ApiUser, id: string, state: string): Promise<Booking> =>
  until(async () => {
    const { body } = await rider.get<Booking>(`/v1/bookings/${id}`);
    return body.state === state && body;
  });

/** Ends a ride as soon as the vehicle stands still. */
const end = (rider: ApiUser, bookingId: string): Promise<Booking> =>
  until(async () => {
    const answer = await rider.post<Booking>(`/v1/bookings/${bookingId}/end`, { photoIds: [await rider.photo()] });
    if (answer.status === 409) return undefined;
    expect(answer.body).toMatchObject({ id: bookingId });
    return answer.body;
  }, 60_000);

function rideScooter(riding: () => Riding): void {
  test('a scooter: search, quote, book, unlock by token, ride, end, receipt, feedback', async () => {
    const { program, rider } = riding();
    const vehicle = await nearest(rider, 'scooter');
    const quote = await rider.post<{ id: string; totalMinor: number; lines: { amountMinor: number }[] }>('/v1/quotes', { vehicleId: vehicle.id, minutes: 15 });
    expect(quote.status).toBe(201);
    expect(quote.body.lines.reduce((sum, line) => sum + line.amountMinor, 0)).toBe(quote.body.totalMinor);

    const booked = await rider.post<Booking>('/v1/bookings', { vehicleId: vehicle.id, quoteId: quote.body.id });
    expect(booked).toMatchObject({ status: 201, body: { state: 'confirmed', payment: { state: 'authorised' } } });
    await presentToken(rider, booked.body.id);
    await bookingIn(rider, booked.body.id, 'riding');

    await end(rider, booked.body.id);
    const charged = await bookingIn(rider, booked.body.id, 'charged');
    expect(charged.price.totalMinor).toBeGreaterThan(0);

    const receipt = await rider.get<{ totalMinor: number; number: string }>(`/v1/bookings/${charged.id}/receipt`);
    expect(receipt.body.totalMinor).toBe(charged.price.totalMinor);
    const page = await rider.get<string>(`/v1/bookings/${charged.id}/receipt`, { accept: 'text/html' });
    expect(page.body).toContain(receipt.body.number);
    const pdf = await fetch(`${program.url}/v1/bookings/${charged.id}/receipt`, { headers: { authorization: `Bearer ${rider.token}`, accept: 'application/pdf' } });
    expect(Buffer.from(await pdf.arrayBuffer()).subarray(0, 5).toString()).toBe('%PDF-');

    expect((await rider.post(`/v1/bookings/${charged.id}/feedback`, { rating: 5, faults: [] })).status).toBe(201);
    const history = await rider.get<{ items: Booking[] }>('/v1/bookings');
    expect(history.body.items.map((booking) => booking.id)).toContain(charged.id);

    const staff = await demoUser(program.url, 'ledger@example.com', 'staff');
    const ledger = await staff.get<{ ledgerBalance: Record<string, number> }>('/v1/statistics/ledger');
    expect(Object.values(ledger.body.ledgerBalance).every((balance) => balance === 0)).toBe(true);
  }, 120_000);
}

function rideCar(riding: () => Riding): void {
  test('a car: unlocked over the network, paused and resumed, and charged for the booked time', async () => {
    const { rider } = riding();
    const vehicle = await nearest(rider, 'car');
    const booked = await rider.post<Booking>('/v1/bookings', { vehicleId: vehicle.id, minutes: 60 });
    expect(booked.status).toBe(201);
    const opened = await rider.post<Booking>(`/v1/bookings/${booked.body.id}/unlock-remotely`);
    expect(opened).toMatchObject({ status: 200, body: { state: 'riding' } });
    await until(async () => (await rider.post<Booking>(`/v1/bookings/${booked.body.id}/pause`)).body.state === 'paused', 60_000);
    expect((await rider.post<Booking>(`/v1/bookings/${booked.body.id}/resume`)).body.state).toBe('riding');
    await end(rider, booked.body.id);
    const charged = await bookingIn(rider, booked.body.id, 'charged');
    const ridden = charged.price.lines.find((line) => line.kind === 'riding');
    expect(ridden?.amountMinor).toBeGreaterThan(0);
  }, 120_000);
}

function rushForOne(riding: () => Riding): void {
  test('a thousand riders want one vehicle at the same moment: exactly one gets it', async () => {
    const { program, rider } = riding();
    const vehicle = await nearest(rider, 'ebike');
    const riders = await Promise.all(Array.from({ length: 20 }, (_, index) => demoUser(program.url, `rush-${index}-${v7()}@example.com`)));
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, index) => apiUser(program.url, riders[index % riders.length]?.token ?? '').post<{ code?: string }>('/v1/bookings', { vehicleId: vehicle.id })));
    const byStatus = Map.groupBy(answers, (answer) => answer.status);
    expect(byStatus.get(201)).toHaveLength(1);
    expect(byStatus.get(409)).toHaveLength(999);
    for (const answer of byStatus.get(409) ?? []) expect(['vehicle-taken', 'active-booking-exists']).toContain(answer.body.code);
  }, 120_000);
}

/** @param start one process, or many: the journey cannot tell */
export function describeRide(topology: string, start: () => Promise<Program>): void {
  describe(`a ride on ${topology}`, () => {
    let riding: Riding;
    beforeAll(async () => {
      const program = await start();
      riding = { program, rider: await demoUser(program.url, `rider-${v7()}@example.com`) };
    }, 300_000);
    afterAll(() => riding?.program.dispose());

    rideScooter(() => riding);
    rideCar(() => riding);
    rushForOne(() => riding);
  });
}
