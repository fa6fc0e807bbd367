/** A crash during a ride: on a subscribed screen within two seconds, the rider asked, staff sent, closed; by the public API, with a vehicle of the program. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { v7 } from 'uuid';
import { type ApiUser, demoUser, type Program, startProgram, until } from './program.ts';

let program: Program;
let rider: ApiUser;
let staff: ApiUser;

beforeAll(async () => {
  program = await startProgram();
  rider = await demoUser(program.url, `rider-${v7()}@example.com`);
  staff = await demoUser(program.url, 'control-room@example.com', 'staff');
});
afterAll(() => program?.dispose());

interface Incident {
  id: string;
  state: string;
  severity: string;
  vehicleId: string;
  bookingId: string | null;
  riderAnswer: string | null;
  timeline: { kind: string; by: string }[];
  telemetry: { at: string }[];
  motion: unknown[] | null;
}

/** What a screen of the control room is sent, with when each line came. */
class Screen {
  readonly events: { name: string; data: Incident; atMs: number }[] = [];
  readonly #closed = new AbortController();

  /** Resolves when the snapshot is there. */
  async open(): Promise<void> {
    const response = await fetch(`${program.url}/v1/incidents/stream`, { headers: { authorization: `Bearer ${staff.token}`, accept: 'text/event-stream' }, signal: this.#closed.signal });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    void this.#read(response);
    await until(async () => this.events.some(({ name }) => name === 'snapshot'));
  }

  async #read({ body }: Response): Promise<void> {
    let text = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of body ?? []) {
        const blocks = (text + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const [, name = '', data = '{}'] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
          if (name) this.events.push({ name, data: JSON.parse(data) as Incident, atMs: performance.now() });
        }
      }
    } catch (error) {
      if (!this.#closed.signal.aborted) throw error;
    }
  }

  first = (vehicleId: string) => this.events.find(({ name, data }) => name === 'incident' && data.vehicleId === vehicleId);
  last = (vehicleId: string) => this.events.findLast(({ name, data }) => name === 'incident' && data.vehicleId === vehicleId)?.data;

  close(): void {
    this.#closed.abort();
  }
}

/** Rents the nearest scooter and opens it with the token. @returns the booking, and where one is near the vehicle */
async function ride(): Promise<{ bookingId: string; vehicleId: string; nearField: string }> {
  const vehicle = await until(async () => (await rider.get<{ items: { id: string }[] }>('/v1/vehicles?lat=50.1109&lon=8.6821&radiusMetres=20000&type=scooter&minBattery=30')).body.items[0], 30_000);
  const booked = await rider.post<{ id: string }>('/v1/bookings', { vehicleId: vehicle.id });
  expect(booked.status).toBe(201);
  const unlock = await rider.post<{ token: string; nearFieldUrl: string }>(`/v1/bookings/${booked.body.id}/unlock`);
  const opened = await fetch(unlock.body.nearFieldUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token: unlock.body.token }) });
  expect(opened.status).toBe(200);
  await until(async () => (await rider.get<{ state: string }>(`/v1/bookings/${booked.body.id}`)).body.state === 'riding');
  return { bookingId: booked.body.id, vehicleId: vehicle.id, nearField: unlock.body.nearFieldUrl.replace(/\/token$/, '') };
}

const details = async (id: string) => (await staff.get<Incident>(`/v1/incidents/${id}`)).body;

test('a crash is on the screen within two seconds, the rider is asked, staff go there and close it', async () => {
  const screen = new Screen();
  onTestFinished(() => screen.close());
  await screen.open();
  const { bookingId, vehicleId, nearField } = await ride();

  const impactMs = performance.now();
  expect((await fetch(`${nearField}/crash`, { method: 'POST' })).status).toBe(202);
  const shown = await until(async () => screen.first(vehicleId), 20_000);
  expect(shown.atMs - impactMs).toBeLessThan(2_000);
  expect(shown.data).toMatchObject({ kind: 'collision', vehicleId, bookingId });
  const { id } = shown.data;

  const [check] = await until(async () => {
    const { items } = (await rider.get<{ items: { incidentId: string; bookingId: string; answer: string | null }[] }>('/v1/me/checks')).body;
    return items.length > 0 && items;
  });
  expect(check).toMatchObject({ incidentId: id, bookingId, answer: null });
  expect((await rider.get(`/v1/incidents/${id}`)).status).toBe(403);
  expect(await rider.post(`/v1/me/checks/${id}`, { answer: 'help', text: 'I fell' })).toMatchObject({ status: 200, body: { answer: 'help' } });
  await until(async () => screen.last(vehicleId)?.state === 'escalated');

  expect(await staff.post(`/v1/incidents/${id}/assign`, {})).toMatchObject({ status: 200, body: { state: 'dispatched' } });
  expect(await staff.post(`/v1/incidents/${id}/arrive`)).toMatchObject({ status: 200, body: { state: 'on-site' } });
  // The vehicle stands after the crash; it says itself that it is disabled.
  await until(async () => (await details(id)).timeline.some(({ kind }) => kind === 'vehicle-disabled'), 60_000);
  const around = await until(async () => {
    const incident = await details(id);
    return incident.telemetry.length > 0 && incident;
  }, 60_000);
  expect(around.motion?.length).toBeGreaterThan(100);

  expect(await staff.post(`/v1/incidents/${id}/close`, { resolution: 'a scratch', enableVehicle: true })).toMatchObject({ status: 200, body: { state: 'closed' } });
  await until(async () => screen.last(vehicleId)?.state === 'closed');
  await until(async () => (await details(id)).timeline.some(({ kind }) => kind === 'vehicle-enabled'), 30_000);
  expect((await details(id)).timeline.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['opened', 'rider-asked', 'rider-answered', 'escalated', 'assigned', 'arrived', 'vehicle-disabled', 'telemetry-attached', 'closed', 'vehicle-enabled']));
}, 180_000);
