/** What a ride leaves behind in metrics and in logs. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { type ApiUser, demoUser, type SingleProgram, startProgram, until } from './program.ts';

let program: SingleProgram;
let rider: ApiUser;
let log = '';
let before: Figures;
let after: Figures;
let vehicleId = '';
let bookingId = '';

const email = `seen-${v7()}@example.com`;
/** Of a second account, signed up as people do. */
const secrets = { email: `heard-${v7()}@example.com`, password: `Wm-${v7()}`, card: 'pm_card_visa' };

/** Series of a scrape: name and labels as they are written → value. */
type Figures = Map<string, number>;

async function scrape(): Promise<Figures> {
  const text = await (await fetch(`${program.url}/metrics`)).text();
  return new Map(text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

/** The sum of all series of a name whose labels contain what is given. */
const sum = (figures: Figures, name: string, ...labels: string[]): number =>
  [...figures].filter(([series]) => (series === name || series.startsWith(`${name}{`)) && labels.every((label) => series.includes(label))).reduce((total, [, value]) => total + value, 0);
const grown = (name: string, ...labels: string[]): number => sum(after, name, ...labels) - sum(before, name, ...labels);

beforeAll(async () => {
  program = await startProgram({ environment: { MOBILITY_LOG_LEVEL: 'debug', MOBILITY_VEHICLES: '12' } });
  program.process.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  rider = await demoUser(program.url, email);
  const near = (radiusMetres: number) => rider.get<{ items: { id: string }[] }>(`/v1/vehicles?lat=50.1109&lon=8.6821&radiusMetres=${radiusMetres}&type=scooter&minBattery=30`);
  const [vehicle] = await until(async () => (await near(20_000)).body.items);
  vehicleId = vehicle?.id ?? '';
  before = await scrape();

  await rider.get('/v1/vehicles?lat=0&lon=0&radiusMetres=100');
  const signedUp = await fetch(`${program.url}/v1/riders`, {
    method: 'POST', headers: { 'content-type': 'application/json', 'idempotency-key': v7() },
    body: JSON.stringify({ email: secrets.email, password: secrets.password, name: 'Ada Lovelace', birthDate: '1990-12-10', locale: 'en' }),
  });
  expect(signedUp.status).toBeLessThan(500);
  await rider.post('/v1/me/payment-methods', { provider: 'stripe', token: secrets.card });
  const booked = await rider.post<{ id: string }>('/v1/bookings', { vehicleId });
  bookingId = booked.body.id;
  expect((await rider.post(`/v1/bookings/${bookingId}/unlock-remotely`)).body).toMatchObject({ state: 'riding' });
  await until(async () => (await rider.post(`/v1/bookings/${bookingId}/end`, { photoIds: [await rider.photo()] })).status === 200, 60_000);
  await until(async () => (await rider.get<{ state: string }>(`/v1/bookings/${bookingId}`)).body.state === 'charged');
  after = await until(async () => {
    const figures = await scrape();
    return sum(figures, 'mobility_revenue_captured_minor_total') > sum(before, 'mobility_revenue_captured_minor_total') && figures;
  });
}, 120_000);
afterAll(() => program?.dispose());

test('rate, errors and duration of routes, operations, consumers, transactions and providers grow with a ride', () => {
  expect(grown('mobility_http_request_duration_seconds_count', 'route="/v1/bookings/{bookingId}/unlock-remotely"', 'method="POST"', 'status="2xx"', 'module="booking"')).toBe(1);
  expect(grown('mobility_http_request_duration_seconds_sum', 'route="/v1/bookings"')).toBeGreaterThan(0);
  for (const operation of ['unlockRemotely', 'createBooking', 'end']) expect(grown('mobility_operation_duration_seconds_count', 'module="booking"', `operation="${operation}"`), operation).toBeGreaterThan(0);
  expect(grown('mobility_operation_duration_seconds_count', 'module="vehicle"', 'operation="sendCommand"', 'outcome="ok"')).toBeGreaterThan(0);
  expect(grown('mobility_consumer_events_total', 'group="booking"', 'outcome="handled"')).toBeGreaterThan(0);
  expect(grown('mobility_consumer_duration_seconds_count', 'group="vehicle-reports"')).toBeGreaterThan(0);
  expect(grown('mobility_consumer_event_age_seconds_count', 'group="booking"')).toBeGreaterThan(0);
  expect(grown('mobility_events_appended_total', 'topic="bookings"')).toBeGreaterThan(0);
  expect(grown('mobility_database_transaction_duration_seconds_count', 'module="booking"', 'outcome="committed"')).toBeGreaterThan(0);
  expect(grown('mobility_payment_provider_duration_seconds_count', 'kind="authorise"')).toBeGreaterThan(0);
});

test('figures of the business move: searches that find nothing, rides, bookings, commands, revenue', () => {
  expect(grown('mobility_vehicle_searches_total', 'found="no"')).toBe(1);
  expect(grown('mobility_rides_started_total', 'vehicle_type="scooter"')).toBe(1);
  expect(grown('mobility_rides_ended_total', 'vehicle_type="scooter"')).toBe(1);
  expect(grown('mobility_bookings_total', 'outcome="reserved"')).toBe(1);
  expect(grown('mobility_bookings_total', 'outcome="charged"')).toBe(1);
  expect(grown('mobility_vehicle_commands_total', 'kind="unlock"', 'outcome="verified"')).toBe(1);
  expect(grown('mobility_revenue_captured_minor_total', 'currency="EUR"')).toBeGreaterThan(0);
  expect(sum(after, 'mobility_vehicles')).toBe(12);
  expect(sum(after, 'mobility_ledger_balance_minor', 'currency="EUR"')).toBe(0);
});

test('saturation is told: event loop, connections, outbox, timers, lag, connected vehicles, certificates', () => {
  for (const name of [
    'nodejs_eventloop_lag_p99_seconds', 'mobility_database_pool_size', 'mobility_database_transactions_running', 'mobility_database_transactions_waiting', 'mobility_outbox_age_seconds', 'mobility_outbox_events',
    'mobility_timers_overdue', 'mobility_timers_delay_seconds', 'mobility_consumer_lag_events', 'mobility_dead_letters', 'mobility_bookings_open', 'mobility_telemetry_lag_events', 'mobility_payment_provider_available',
  ]) expect([...after.keys()].some((series) => series === name || series.startsWith(`${name}{`)), name).toBe(true);
  expect(sum(after, 'mobility_database_up', 'module="booking"')).toBe(1);
  expect(sum(after, 'mobility_ready')).toBe(1);
  expect(sum(after, 'mobility_iot_connected_vehicles')).toBe(12);
  expect(sum(after, 'mobility_certificate_expiry_timestamp_seconds', 'certificate="broker"')).toBeGreaterThan(Date.now() / 1000);
  expect(sum(after, 'mobility_metric_reads_failed_total')).toBe(0);
});

test('no label names a person, a vehicle, a booking, or anything else that there is ever more of', () => {
  const values = [...after.keys()].flatMap((series) => [...series.matchAll(/="([^"]*)"/g)].map(([, value = '']) => value));
  expect(values.length).toBeGreaterThan(100);
  for (const value of values) {
    expect(value).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}|@/);
    expect(value).not.toBe(vehicleId);
  }
  expect(new Set(after.keys()).size).toBeLessThan(6000);
});

test('every family is named by the conventions and says what it is', async () => {
  const text = await (await fetch(`${program.url}/metrics`)).text();
  const types = new Map([...text.matchAll(/^# TYPE (mobility_\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
  expect(types.size).toBeGreaterThan(40);
  for (const [name, type] of types) {
    expect(name.endsWith('_total'), `${name} ${type}`).toBe(type === 'counter');
    if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    expect(text).toMatch(new RegExp(`^# HELP ${name} [A-Z0-9].{10,}$`, 'm'));
  }
});

test('the log of a whole ride, at its most talkative, knows nobody; its lines have level, time and trace', async () => {
  const lines = log.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
  const answered = lines.find(({ msg, route }) => msg === 'answered' && route === '/v1/bookings/{bookingId}/unlock-remotely');
  expect(answered).toMatchObject({ level: 'debug', method: 'POST', status: 200 });
  expect(answered?.['trace_id']).toMatch(/^[0-9a-f]{32}$/);
  expect(Date.parse(String(answered?.['time']))).toBeGreaterThan(Date.now() - 600_000);
  expect(lines.some(({ module }) => module === 'gateway')).toBe(true);
  for (const secret of [email, secrets.email, secrets.password, secrets.card, rider.token, rider.token.split('.')[2] ?? rider.token, 'Ada Lovelace']) expect(log.includes(secret), secret.slice(0, 6)).toBe(false);
});
