import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { RawReply } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import { writeArchive } from '../../../edge/protocol/archive.ts';
import { rolloutContract } from './contract.ts';
import { recordExecutions } from './store.ts';
import { firmwareArchive, startWorld } from './testing/world.ts';

let world: Awaited<ReturnType<typeof startWorld>>;
beforeAll(async () => {
  world = await startWorld(20, [5, 100]);
});
afterAll(() => world?.dispose());
afterEach(async () => {
  world.clock.offsetMs = 0;
  world.jobs.isCutOnce = false;
  for (const vehicle of world.fleet.vehicles) vehicle.online = true;
  for (const { id, state } of (await world.rollouts.listRollouts({ query: {} })).items) if (!['rolled-back', 'cancelled'].includes(state)) await end(id);
});

const code = (work: Promise<unknown>): Promise<string> => work.then(() => 'nothing was refused', (error: unknown) => (error instanceof Problem ? error.code : String(error)));
const at = (rolloutId: string) => ({ params: { rolloutId } });
const undoneBy = (rolloutId: string, reason = 'by hand') => world.rollouts.rollBackRollout({ ...at(rolloutId), body: { reason } });
const end = async (rolloutId: string) => {
  await undoneBy(rolloutId);
  return world.until(rolloutId, ({ state }) => state === 'rolled-back' || state === 'cancelled');
};

test('ROLLOUT-01: an archive that vehicles would refuse is refused; each kind and version is there once', async () => {
  const archive = firmwareArchive('healthy', '1.5.0');
  const link = Buffer.from(gunzipSync(archive));
  link.write('2', 156, 'latin1');
  for (const bad of [Buffer.from('no archive'), archive.subarray(0, 90), gzipSync(link), writeArchive([{ path: 'other.ts', bytes: Buffer.from('') }])]) {
    expect(await code(world.upload(bad, { kind: 'firmware', version: '1.5.0' }))).toBe('bundle-invalid');
  }
  const bundle = await world.upload(archive, { kind: 'firmware', version: '1.5.0' }, 'the-same-key');
  expect(await world.upload(archive, { kind: 'firmware', version: '1.5.0' }, 'the-same-key')).toEqual(bundle);
  expect(await code(world.upload(archive, { kind: 'firmware', version: '1.5.0' }))).toBe('bundle-exists');
  expect((await world.upload(archive, { kind: 'models', version: '1.5.0' })).id).not.toBe(bundle.id);
  const { items, next } = await world.rollouts.listBundles({ query: { limit: 1 } });
  expect([items.length, next === undefined]).toEqual([1, false]);
});

test('ROLLOUT-02: a ticket opens its own archive, from any byte on, for its time', async () => {
  const bundleId = await world.firmware('healthy');
  const rollout = await world.create(bundleId);
  await world.until(rollout.id, () => world.jobs.documents.has(`install-${rollout.id}-0-0`));
  const url = new URL(world.jobs.documents.get(`install-${rollout.id}-0-0`)?.archiveUrl ?? '');
  const ticket = url.searchParams.get('ticket') ?? '';
  const read = async (from: number, id = bundleId, by = ticket) => {
    const reply = (await world.rollouts.getArchive({ params: { bundleId: id }, query: { ticket: by, from } })) as unknown as RawReply;
    const pieces: Uint8Array[] = [];
    for await (const piece of reply.body as AsyncIterable<Uint8Array>) pieces.push(piece);
    return Buffer.concat(pieces);
  };
  const whole = await read(0);
  expect(whole.length).toBe(rollout.bundle.sizeBytes);
  expect(Buffer.concat([whole.subarray(0, 100), await read(100)])).toEqual(whole);
  expect(await read(whole.length)).toHaveLength(0);
  const other = await world.firmware('healthy');
  expect([await code(read(0, other)), await code(read(0, bundleId, `${ticket}x`)), await code(read(0, bundleId, ''))]).toEqual(['ticket-invalid', 'ticket-invalid', 'ticket-invalid']);
  world.clock.offsetMs += 91 * 24 * 3600_000;
  expect(await code(read(0))).toBe('ticket-invalid');
});

test('ROLLOUT-03: vehicles follow from key to key with the jobs that they get, also those that missed one', async () => {
  const before = await world.rollouts.getSigningKeys({});
  await world.rollouts.rotateSigningKey({});
  const { keyId } = await world.rollouts.rotateSigningKey({});
  const after = await world.rollouts.getSigningKeys({});
  expect([before.counter, after.counter, after.keys.map(({ kid }) => kid)]).toEqual([0, 2, [keyId]]);
  const rollout = await world.create(await world.firmware('healthy'));
  const complete = await world.until(rollout.id, ({ state }) => state === 'complete');
  expect(complete.bundle.keyId).toBe(keyId);
});

test('ROLLOUT-09: undone by hand, whoever has it goes back, also after the last stage; what fails is told again', async () => {
  const rollout = await world.create(await world.firmware('healthy'));
  await world.until(rollout.id, ({ state, stages }) => state === 'complete' && stages.every(({ vehicles, succeeded }) => vehicles === succeeded));
  const versions = () => [...new Set(world.fleet.vehicles.map(({ version }) => version))];
  expect(versions()).toEqual([rollout.bundle.version]);
  await undoneBy(rollout.id, 'riders complain');
  // One vehicle says that it could not.
  const execution = await world.until(rollout.id, () => world.jobs.documents.has(`undo-${rollout.id}-0-1`)).then(() => world.jobs.all(`undo-${rollout.id}-0-1`)[0]);
  if (!execution) throw new Error('nobody was told to go back');
  world.jobs.update(execution, 'FAILED');
  const over = await world.until(rollout.id, ({ state }) => state === 'rolled-back');
  expect([over.undo, over.reason, versions()]).toEqual([{ vehicles: 20, undone: 20 }, 'riders complain', ['1.0.0']]);
  expect(world.jobs.all(`undo-${rollout.id}-0-2`)).toHaveLength(1);
});

test('ROLLOUT-09: nobody has it: the rollout is cancelled, with what was queued', async () => {
  for (const vehicle of world.fleet.vehicles) vehicle.online = false;
  const rollout = await world.create(await world.firmware('healthy'));
  await world.until(rollout.id, ({ stages }) => stages[0]?.queued === 1);
  expect((await end(rollout.id)).state).toBe('cancelled');
  expect(world.jobs.all(`install-${rollout.id}-0-0`).map(({ status }) => status)).toEqual(['CANCELED']);
});

test('ROLLOUT-10: without telemetry the gate waits, and pauses after a day with the reason', async () => {
  const healthOf = world.health.of;
  world.health.of = () => [];
  const rollout = await world.create(await world.firmware('healthy'));
  const waiting = await world.until(rollout.id, ({ stages }) => stages[0]?.reasons[0] === 'no telemetry of any vehicle to judge by');
  expect(waiting.state).toBe('soaking');
  world.clock.offsetMs += 25 * 3600_000;
  const paused = await world.until(rollout.id, ({ state }) => state === 'paused');
  expect(paused.reason).toBe('waited too long: no telemetry of any vehicle to judge by');
  world.health.of = healthOf;
  await world.rollouts.resumeRollout(at(rollout.id));
  await world.until(rollout.id, ({ state }) => state === 'complete');
});

test('ROLLOUT-11: paused, queued jobs are cancelled; resumed, those vehicles are told again', async () => {
  for (const vehicle of world.fleet.vehicles) vehicle.online = false;
  const rollout = await world.create(await world.firmware('healthy'), { stagesPercent: [50] });
  await world.until(rollout.id, ({ stages }) => stages[0]?.queued === 10);
  await world.rollouts.pauseRollout(at(rollout.id));
  await world.until(rollout.id, ({ stages }) => stages[0]?.queued === 0);
  for (const vehicle of world.fleet.vehicles) vehicle.online = true;
  await world.fleet.live();
  expect(world.jobs.all(`install-${rollout.id}-0-0`).every(({ status }) => status === 'CANCELED')).toBe(true);
  await world.rollouts.resumeRollout(at(rollout.id));
  const complete = await world.until(rollout.id, ({ state }) => state === 'complete');
  expect(complete.stages.map(({ vehicles, succeeded }) => vehicles - succeeded <= 2)).toEqual([true]);
});

test('ROLLOUT-12, ROLLOUT-16: the next stage begins when it is approved, and not before; a wrong step is refused', async () => {
  const rollout = await world.create(await world.firmware('healthy'), { approveEachStage: true, stagesPercent: [5, 100] });
  expect(await code(world.rollouts.approveRollout(at(rollout.id)))).toBe('rollout-state');
  expect(await code(world.rollouts.resumeRollout(at(rollout.id)))).toBe('rollout-state');
  const held = await world.until(rollout.id, ({ state }) => state === 'waiting-for-approval');
  expect(held.stages.map(({ gate }) => gate)).toEqual(['passed', 'not-reached']);
  await world.rollouts.approveRollout(at(rollout.id));
  const complete = await world.until(rollout.id, ({ state }) => state === 'complete');
  expect(complete.stages.map(({ gate }) => gate)).toEqual(['passed', 'passed']);
  await end(rollout.id);
  expect(await code(undoneBy(rollout.id))).toBe('rollout-state');
  expect(await code(world.rollouts.getRollout(at(crypto.randomUUID())))).toBe('not-found');
});

test('ROLLOUT-13: one rollout of a kind at a time where they could meet; the same request again is the same rollout', async () => {
  const [one, two] = [await world.firmware('healthy'), await world.firmware('healthy')];
  const rollout = await world.create(one, { cityId: 'here', approveEachStage: true }, 'a-key');
  expect((await world.create(one, { cityId: 'here', approveEachStage: true }, 'a-key')).id).toBe(rollout.id);
  expect(await code(world.create(two, {}, 'a-key'))).toBe('idempotency-key-reused');
  expect(await code(world.create(two))).toBe('rollout-conflict');
  expect(await code(world.create(two, { cityId: 'here' }))).toBe('rollout-conflict');
  const racing = await Promise.all([1, 2, 3].map(() => code(world.create(two, { cityId: 'elsewhere' }))));
  expect(racing.toSorted()).toEqual(['nothing was refused', 'rollout-conflict', 'rollout-conflict']);
  expect(await code(world.create(two, { cityId: 'empty' }))).toBe('not-found');
  expect(await code(world.create(two, { cityId: 'beyond', stagesPercent: [10, 5] }))).toBe('invalid-request');
});

test('ROLLOUT-14: cut after every call once, a rollout that is stopped still makes each job once and is undone', async () => {
  world.jobs.isCutOnce = true;
  const rollout = await world.create(await world.firmware('goes-silent'));
  const over = await world.until(rollout.id, ({ state }) => {
    // A failed look is tried again after a pause.
    world.clock.offsetMs += 200;
    return state === 'rolled-back';
  }, 25_000);
  expect(over.undo).toEqual({ vehicles: 1, undone: 1 });
  const ids = world.jobs.calls.filter((id) => id.includes(rollout.id));
  expect(new Set(ids)).toEqual(new Set([`install-${rollout.id}-0-0`, `undo-${rollout.id}-0-1`]));
  expect(world.jobs.cuts.size).toBe(3);
  for (const id of new Set(ids)) expect(world.jobs.all(id)).toHaveLength(1);
});

test('ROLLOUT-15: reports that come late, twice or out of order change nothing any more', async () => {
  const sql = world.database('rollout')?.sql;
  if (!sql) throw new Error('the rollout module has no database');
  for (const vehicle of world.fleet.vehicles) vehicle.online = false;
  const rollout = await world.create(await world.firmware('healthy'));
  await world.until(rollout.id, ({ stages }) => stages[0]?.queued === 1);
  const vehicleId = world.jobs.all(`install-${rollout.id}-0-0`)[0]?.vehicleId ?? '';
  const told = (status: string, versionNumber: number, attempt = 0) => recordExecutions(sql, 'install', [{ purpose: 'install', rolloutId: rollout.id, vehicleId, status, versionNumber, attempt }]);
  const status = async () => (await sql<{ status: string }[]>`select status from targets where rollout_id = ${rollout.id} and vehicle_id = ${vehicleId}`)[0]?.status;
  await told('SUCCEEDED', 3);
  await told('IN_PROGRESS', 2);
  expect(await status()).toBe('SUCCEEDED');
  await told('QUEUED', 1, 1);
  await told('CANCELED', 9, 0);
  expect(await status()).toBe('QUEUED');
  await told('CANCELED', 2, 1);
});

test('events tell of the start, of each step, and of a stop', async () => {
  const { ports } = world;
  const types = async () => (await Promise.all(Array.from({ length: ports.events.partitions('operations') }, (_, partition) => ports.events.read('operations', partition, 0, 1000)))).flat().map(({ event }) => event.type);
  const seen = new Set(await types());
  for (const { type } of Object.values(rolloutContract.events)) expect(seen).toContain(type);
});
