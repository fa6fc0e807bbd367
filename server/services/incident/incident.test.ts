import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { iotContract } from '../../iot/contract.ts';
import { eventually } from '../../program/testing.ts';
import { type Caller, RawReply } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import type { Incident } from './contract.ts';
import { collision, openWorld, riderCaller, staffCaller, startMs, type World } from './testing/world.ts';

let world: World;
let vehicleId: string;

beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.process.dispose());
beforeEach(() => {
  vehicleId = `v-${v7()}`;
  Object.assign(world.stage, { bookingsAway: false, commandState: { state: 'verified' }, recordedAtMs: [] });
});

const staff = { caller: staffCaller };
const list = async (query: { vehicleId?: string; open?: 'true' | 'false'; state?: Incident['state']; cursor?: string; limit?: number } = { vehicleId }) => world.incidents.listIncidents({ query }, staff);
const get = (incidentId: string) => world.incidents.getIncident({ params: { incidentId } }, staff);
const opened = (): Promise<Incident> => eventually(async () => (await list()).items[0]);
const inState = (id: string, state: Incident['state']) => eventually(async () => ((await get(id)).state === state ? get(id) : undefined));
const kinds = async (id: string) => (await get(id)).timeline.map(({ kind }) => kind);
const says = (id: string, kind: string) => eventually(async () => (await get(id)).timeline.find((entry) => entry.kind === kind));
const checks = async (rider: Caller) => (await world.incidents.listMyChecks({}, { caller: rider })).items;
const answer = (incidentId: string, rider: Caller, body: { answer: 'fine' | 'help'; text?: string }) => world.incidents.answerCheck({ params: { incidentId }, body }, { caller: rider });
const refusal = async (work: Promise<unknown>): Promise<string> => {
  const outcome = await work.then(() => 'nothing', (error: unknown) => error);
  if (outcome instanceof Problem) return outcome.code;
  throw new Error(`expected a refusal, got ${String(outcome)}`);
};
/** A collision during a ride, and the rider asked. */
async function asked(change: Parameters<World['alert']>[0] = {}) {
  const { bookingId, rider } = world.ride(vehicleId);
  await world.alert({ vehicleId, bookingId, ...change });
  const { id } = await opened();
  await says(id, 'rider-asked');
  return { id, bookingId, rider };
}
const bump = { peakG: 2, speedMetresPerSecond: 2 };

describe('from alerts to incidents', () => {
  test('INCIDENT-01: an alert that comes twice opens one incident, also after it was closed', async () => {
    const alert = await world.alert({ vehicleId, ...bump });
    const { id } = await opened();
    await world.append(iotContract.events.alertRaised, vehicleId, [alert, alert]);
    await world.incidents.closeIncident({ params: { incidentId: id }, body: { resolution: 'nothing there' } }, staff);
    await world.append(iotContract.events.alertRaised, vehicleId, [alert]);
    const other = `v-${v7()}`;
    await world.alert({ vehicleId: other });
    await eventually(async () => (await list({ vehicleId: other })).items.length === 1);
    expect((await list()).items).toHaveLength(1);
    expect(await kinds(id)).toEqual(['opened', 'closed']);
  });

  test('INCIDENT-01: what follows within five minutes joins, and the worst counts; what comes later is another', async () => {
    await world.alert({ vehicleId, kind: 'tamper', tamper: 'tilted', peakG: undefined, motion: undefined });
    const { id } = await opened();
    world.clock.advance(4 * 60_000);
    await world.alert({ vehicleId, peakG: 4.5, speedMetresPerSecond: 0 });
    const { motion } = await world.alert({ vehicleId, peakG: 12 });
    await world.alert({ vehicleId, ...bump });
    await eventually(async () => (await kinds(id)).filter((kind) => kind === 'merged').length === 3);
    expect(await get(id)).toMatchObject({ kind: 'collision', severity: 'high', peakG: 12, tamper: 'tilted', motion });
    world.clock.advance(5 * 60_000 + 1);
    await world.alert({ vehicleId, ...bump });
    await eventually(async () => (await list()).items.length === 2);
  });

  test('INCIDENT-12: what comes a day late is opened, for staff; nobody is asked and nothing disabled', async () => {
    const { bookingId, rider } = world.ride(vehicleId);
    const raisedAt = new Date(world.clock.nowMs() - 24 * 3600_000).toISOString();
    await world.alert({ vehicleId, bookingId, raisedAt });
    const incident = await opened();
    expect(incident).toMatchObject({ state: 'escalated', severity: 'critical', occurredAt: raisedAt });
    expect(await checks(rider)).toEqual([]);
    expect(world.stage.commands.filter((line) => line.includes(vehicleId))).toEqual([]);
  });

  test('INCIDENT-13: alerts that cannot be read, and those of other kinds, hold up nothing', async () => {
    const other = collision({ vehicleId, kind: 'battery-low' });
    await world.append(iotContract.events.alertRaised, vehicleId, [{ nonsense: true }, null, { ...collision(), raisedAt: 'yesterday' }, other]);
    await world.alert({ vehicleId });
    await opened();
    expect((await list()).items).toHaveLength(1);
    expect(await world.process.ports.metrics.scrape()).toMatch(/incident_alerts_dropped_total 3/);
  });

  test('INCIDENT-01: a thousand at once, each opened once', async () => {
    const fleet = `burst-${v7()}`;
    const alerts = Array.from({ length: 250 }, (_, index) => collision({ vehicleId: `${fleet}-${index}`, ...bump, motion: undefined }));
    await world.append(iotContract.events.alertRaised, fleet, [...alerts, ...alerts]);
    const count = async () => (await world.sql<{ count: number }[]>`select count(*)::int as count from incidents where vehicle_id like ${`${fleet}%`}`)[0]?.count;
    await eventually(async () => (await count()) === 250, 20_000);
    await world.alert({ vehicleId: fleet });
    await eventually(async () => (await list({ vehicleId: fleet })).items.length === 1);
    expect(await count()).toBe(251);
  });
});

describe('the rider', () => {
  test('INCIDENT-03: who rides is asked, and the others hear nothing of it', async () => {
    const { id, bookingId, rider } = await asked();
    expect(await get(id)).toMatchObject({ state: 'checking', severity: 'critical', bookingId });
    const answerBy = new Date(world.clock.nowMs() + 60_000).toISOString();
    expect(await checks(rider)).toEqual([{ incidentId: id, bookingId, occurredAt: world.clock.now().toISOString(), askedAt: world.clock.now().toISOString(), answerBy, answer: null }]);
    await eventually(async () => (await world.published(vehicleId)).includes('rider-asked'));
    const stranger = riderCaller(v7());
    expect(await checks(stranger)).toEqual([]);
    expect(await refusal(answer(id, stranger, { answer: 'fine' }))).toBe('not-found');
    expect(await refusal(answer(v7(), rider, { answer: 'fine' }))).toBe('not-found');
  });

  test('INCIDENT-11: a check is gone when the incident is closed or an hour is over', async () => {
    const { id, rider } = await asked(bump);
    world.clock.advance(61 * 60_000);
    expect(await checks(rider)).toEqual([]);
    await world.incidents.closeIncident({ params: { incidentId: id }, body: { resolution: 'long ago' } }, staff);
    expect(await refusal(answer(id, rider, { answer: 'help' }))).toBe('incident-state');
  });

  test.each([['of another vehicle', {}, 'somewhere-else'], ['that ended an hour ago', { endedAt: new Date(startMs - 3600_000).toISOString() }, undefined], ['that never began', { startedAt: null }, undefined]])(
    'INCIDENT-03: the rider of a booking %s is not asked; a severe crash is for staff at once', async (_what, change, elsewhere) => {
      const { bookingId, rider } = world.ride(elsewhere ?? vehicleId, change);
      await world.alert({ vehicleId, bookingId });
      const { id } = await opened();
      await inState(id, 'escalated');
      expect(await kinds(id)).not.toContain('rider-asked');
      expect(await checks(rider)).toEqual([]);
    });

  test('INCIDENT-04: help escalates and calls for help, once', async () => {
    const { id, rider } = await asked(bump);
    expect(await answer(id, rider, { answer: 'help', text: 'my leg' })).toMatchObject({ incidentId: id, answer: 'help' });
    await answer(id, rider, { answer: 'help' });
    expect(await get(id)).toMatchObject({ state: 'escalated', riderAnswer: 'help' });
    await eventually(async () => (await world.published(vehicleId)).includes('help-needed'));
    expect((await world.published(vehicleId)).filter((type) => type === 'help-needed')).toHaveLength(1);
    expect((await says(id, 'rider-answered')).text).toBe('help: my leg');
  });

  test('INCIDENT-04: silence after a crash escalates; fine, said later, counts but takes nobody back', async () => {
    const { id, rider } = await asked();
    world.clock.advance(60_000);
    await inState(id, 'escalated');
    expect(await kinds(id)).toEqual(expect.arrayContaining(['rider-silent', 'escalated']));
    await eventually(async () => (await world.published(vehicleId)).includes('help-needed'));
    expect(await answer(id, rider, { answer: 'fine' })).toMatchObject({ answer: 'fine' });
    expect(await get(id)).toMatchObject({ state: 'escalated', riderAnswer: 'fine' });
  });

  test('INCIDENT-05: a bump closes itself when the rider is fine; a crash does not, nor one that is taken up', async () => {
    const { id, rider } = await asked(bump);
    const severe = vehicleId;
    const crashed = await (vehicleId = `v-${v7()}`, asked());
    const taken = await (vehicleId = `v-${v7()}`, asked(bump));
    for (const each of [{ id, rider }, crashed, taken]) await answer(each.id, each.rider, { answer: 'fine' });
    await world.incidents.assignIncident({ params: { incidentId: taken.id }, body: {} }, staff);
    world.clock.advance(10 * 60_000 - 1);
    expect((await get(id)).state).toBe('checking');
    world.clock.advance(1);
    expect(await inState(id, 'closed')).toMatchObject({ resolution: 'the rider is fine', vehicleId: severe });
    await eventually(async () => (await world.sql`select 1 from timers where kind = 'close-by-itself'`).length === 0);
    expect([(await get(crashed.id)).state, (await get(taken.id)).state]).toEqual(['checking', 'dispatched']);
    await eventually(async () => (await world.published(severe)).at(-1) === 'closed');
  });

  test('INCIDENT-15: an erased rider leaves no name and no words', async () => {
    const { id, rider } = await asked();
    await answer(id, rider, { answer: 'help', text: 'call my wife Eva' });
    await world.erase(rider.subject);
    await eventually(async () => (await world.sql`select 1 from incidents where id = ${id} and rider_id is null`).length === 1);
    const text = JSON.stringify(await get(id));
    expect(text).not.toContain('Eva');
    expect(text).not.toContain(rider.subject);
    expect(await get(id)).toMatchObject({ riderAnswer: 'help', state: 'escalated' });
    expect(await checks(rider)).toEqual([]);
  });
});

describe('the vehicle and the evidence', () => {
  const orders = () => world.stage.commands.filter((line) => line.includes(vehicleId));

  test('INCIDENT-06: a severe collision disables the vehicle, with one command until it has said so', async () => {
    world.stage.commandState = { state: 'sent' };
    await world.alert({ vehicleId });
    const { id } = await opened();
    expect(await get(id)).toMatchObject({ state: 'escalated', severity: 'high' });
    await says(id, 'note');
    expect(await kinds(id)).not.toContain('vehicle-disabled');
    world.stage.commandState = { state: 'verified' };
    world.clock.advance(3_000);
    await says(id, 'vehicle-disabled');
    expect(orders()).toHaveLength(1);
    expect(orders()[0]).toMatch(/^disable /);
  });

  test('INCIDENT-06: a bump disables nothing; a vehicle that nobody knows is noted and left', async () => {
    await world.alert({ vehicleId, ...bump });
    const unknown = `unknown-${v7()}`;
    await world.alert({ vehicleId: unknown });
    const { id } = await eventually(async () => (await list({ vehicleId: unknown })).items[0]);
    expect((await says(id, 'note')).text).toContain('nobody knows this vehicle');
    await opened();
    expect(orders()).toEqual([]);
  });

  test('INCIDENT-07: the telemetry around the moment is attached when it has arrived, first what was before it', async () => {
    const atMs = world.clock.nowMs();
    world.stage.recordedAtMs = [-16_000, -15_000, -5_000, 0].map((offset) => atMs + offset);
    await world.alert({ vehicleId, ...bump });
    const { id } = await opened();
    expect((await get(id)).telemetry).toEqual([]);
    world.clock.advance(3_000);
    await says(id, 'telemetry-attached');
    expect((await get(id)).telemetry.map(({ at }) => Date.parse(at) - atMs)).toEqual([-15_000, -5_000, 0]);
    world.stage.recordedAtMs.push(atMs + 5_000, atMs + 15_000, atMs + 16_000);
    world.clock.advance(15_000);
    await eventually(async () => (await get(id)).telemetry.length === 5);
    await eventually(async () => (await world.sql`select 1 from timers where kind = 'attach-telemetry' and key = ${id}`).length === 0);
  });

  test('INCIDENT-14: stopped with everything still to do, it is done after the next start', async () => {
    world.stage.bookingsAway = true;
    const { bookingId, rider } = world.ride(vehicleId);
    await world.alert({ vehicleId, bookingId });
    const { id } = await opened();
    await world.process.stop();
    const before = world;
    world.stage.bookingsAway = false;
    world = await openWorld(before);
    try {
      world.clock.advance(5_000);
      await says(id, 'rider-asked');
      await says(id, 'vehicle-disabled');
      expect(await checks(rider)).toHaveLength(1);
    } finally {
      await world.process.dispose();
      await before.process.dispose();
      world = await openWorld();
    }
  });
});

describe('staff', () => {
  const open = (key: string = v7(), body = { vehicleId, severity: 'medium' as const, text: 'somebody called' }) => world.incidents.openIncident({ body }, { ...staff, idempotencyKey: key });
  const close = (incidentId: string, enableVehicle = false) => world.incidents.closeIncident({ params: { incidentId }, body: { resolution: 'brought home', enableVehicle } }, staff);

  test('INCIDENT-08: dispatched, there, closed, and nothing else', async () => {
    const { id } = await open();
    const params = { incidentId: id };
    expect(await refusal(world.incidents.arriveAtIncident({ params }, staff))).toBe('incident-state');
    expect(await world.incidents.assignIncident({ params, body: {} }, staff)).toMatchObject({ state: 'dispatched', assignee: staffCaller.subject });
    expect(await world.incidents.assignIncident({ params, body: { assignee: 'bob' } }, staff)).toMatchObject({ state: 'dispatched', assignee: 'bob' });
    expect(await world.incidents.arriveAtIncident({ params }, staff)).toMatchObject({ state: 'on-site' });
    expect(await close(id)).toMatchObject({ state: 'closed', resolution: 'brought home', closedAt: world.clock.now().toISOString() });
    const late = [() => close(id), () => world.incidents.assignIncident({ params, body: {} }, staff), () => world.incidents.noteIncident({ params, body: { text: 'late' } }, { ...staff, idempotencyKey: v7() })];
    for (const attempt of late) expect(await refusal(attempt())).toBe('incident-state');
    expect((await get(id)).timeline.map(({ kind, by }) => [kind, by])).toEqual(['opened', 'assigned', 'assigned', 'arrived', 'closed'].map((kind) => [kind, staffCaller.subject]));
    expect(await refusal(close(v7()))).toBe('not-found');
  });

  test('INCIDENT-16: opened by hand and noted once for each key', async () => {
    const key = v7();
    const [first, second] = await Promise.all([open(key), open(key)]);
    expect(first.id).toBe(second.id);
    expect(await refusal(open(key, { vehicleId, severity: 'medium', text: 'another' }))).toBe('idempotency-key-reused');
    expect(await refusal(open(v7(), { vehicleId: 'unknown', severity: 'medium', text: 'who' }))).toBe('not-found');
    const note = (idempotencyKey: string, text: string) => world.incidents.noteIncident({ params: { incidentId: first.id }, body: { text } }, { ...staff, idempotencyKey });
    expect(await note(key, 'blue van')).toEqual(await note(key, 'blue van'));
    expect(await refusal(note(key, 'red van'))).toBe('idempotency-key-reused');
    expect(await kinds(first.id)).toEqual(['opened', 'note']);
  });

  test('INCIDENT-09: the timeline has everything in order, with who and when', async () => {
    const { id, rider } = await asked();
    await says(id, 'vehicle-disabled');
    world.clock.advance(1000);
    await answer(id, rider, { answer: 'help' });
    await world.incidents.assignIncident({ params: { incidentId: id }, body: {} }, staff);
    await close(id);
    const { timeline } = await get(id);
    expect(timeline.map(({ kind }) => kind).toSorted()).toEqual(['assigned', 'closed', 'escalated', 'opened', 'rider-answered', 'rider-asked', 'vehicle-disabled']);
    expect(timeline.map(({ at }) => at)).toEqual(timeline.map(({ at }) => at).toSorted());
    expect(timeline.find(({ kind }) => kind === 'rider-answered')?.by).toBe(rider.subject);
  });

  test('INCIDENT-17: closing enables the vehicle when asked to', async () => {
    const { id } = await open();
    await close(id, true);
    await says(id, 'vehicle-enabled');
    expect(world.stage.commands.filter((line) => line.includes(vehicleId)).map((line) => line.split(' ')[0])).toEqual(['enable']);
  });

  test('INCIDENT-18: pages give each once, newest first; filters hold', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) ids.unshift((await open()).id);
    await close(ids[0] ?? '');
    const first = await list({ vehicleId, limit: 2 });
    const rest = await list({ vehicleId, limit: 3, cursor: first.next });
    expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual(ids);
    expect(rest.next).toBeUndefined();
    expect((await list({ vehicleId, open: 'true' })).items).toHaveLength(4);
    expect((await list({ vehicleId, open: 'false' })).items.map(({ id }) => id)).toEqual([ids[0]]);
    expect((await list({ vehicleId, state: 'closed' })).items).toHaveLength(1);
    expect(await refusal(list({ cursor: 'x' }))).toBe('invalid-request');
  });
});

describe('INCIDENT-10: on a screen', () => {
  async function watch(signal: AbortSignal): Promise<AsyncIterator<string>> {
    const reply = await world.process.served('incident')?.dispatch('streamIncidents', {}, { ...staff, signal });
    if (!(reply instanceof RawReply) || typeof reply.body === 'string' || reply.body instanceof Uint8Array) throw new Error('no stream');
    return reply.body[Symbol.asyncIterator]() as AsyncIterator<string>;
  }

  test('an alert in the event log is on the screen within two seconds', async () => {
    const reader = new AbortController();
    const lines = await watch(reader.signal);
    expect(String((await lines.next()).value)).toMatch(/^event: snapshot\n/);
    const raisedMs = performance.now();
    await world.alert({ vehicleId });
    let text = '';
    while (!text.includes(vehicleId)) text = String((await lines.next()).value);
    expect(performance.now() - raisedMs).toBeLessThan(2000);
    expect(text).toMatch(/^event: incident\ndata: \{/);
    reader.abort();
  });

  test('what another process of the module changed is on the screen, too, and once', async () => {
    const { id } = await world.incidents.openIncident({ body: { vehicleId, severity: 'medium', text: 'somebody called' } }, { ...staff, idempotencyKey: v7() });
    const reader = new AbortController();
    const lines = await watch(reader.signal);
    expect(String((await lines.next()).value)).toContain(id);
    await world.sql`update incidents set assignee = 'a colleague elsewhere' where id = ${id}`;
    await world.sql`insert into timeline (incident_id, at, kind, by, text) values (${id}, now(), 'assigned', 'a colleague elsewhere', '')`;
    const text = String((await lines.next()).value);
    expect(text).toContain('a colleague elsewhere');
    expect(text.match(/event: incident/g)).toHaveLength(1);
    reader.abort();
  });
});
