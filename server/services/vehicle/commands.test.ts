/** Commands to vehicles, from the call to the verdict, on a real database. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { eventually } from '../../program/testing.ts';
import { Problem } from '../../wire/problem.ts';
import { loadFleet } from './cities.ts';
import type { Command } from './contract.ts';
import { Fleet } from './fleet.ts';
import { testCity } from './testing/city.ts';
import { openWorld, type World } from './testing/world.ts';

let world: World;
let vehicleId: string;

beforeAll(async () => {
  world = await openWorld();
  const city = testCity();
  await world.vehicles.putCity({ params: { cityId: city.id }, body: city });
});
afterAll(() => world.process.dispose());
beforeEach(async () => {
  // A vehicle of its own for each test, at the north bay.
  vehicleId = `v-${v7()}`;
  world.broker.connected = true;
  await world.vehicles.registerVehicle({ body: { id: vehicleId, cityId: 'testville', modelId: 'scooter', tariffId: 'slow', position: { lat: 50.102, lon: 8.602 } } }, { idempotencyKey: v7() });
});

const get = (id = vehicleId) => world.vehicles.getVehicle({ params: { vehicleId: id } });
const inStatus = (status: string, id = vehicleId) => eventually(async () => ((await get(id)).status === status ? get(id) : undefined));
const refusal = async (work: Promise<unknown>): Promise<string> => {
  const outcome = await work.then(() => 'nothing', (error: unknown) => error);
  if (outcome instanceof Problem) return outcome.code;
  throw new Error(`expected a refusal, got ${String(outcome)}`);
};

describe('commands', () => {
  const send = (kind: Command['kind'], change: { id?: string; bookingId?: string; waitMs?: number; expiresInMs?: number; vehicleId?: string } = {}) => {
    const { expiresInMs = 30_000, ...rest } = change;
    return world.vehicles.sendCommand({ body: { id: v7(), vehicleId, kind, expiresAt: new Date(world.clock.nowMs() + expiresInMs).toISOString(), waitMs: 0, ...rest } });
  };
  const find = (commandId: string) => world.vehicles.getCommand({ params: { commandId } });
  const deliveries = (id: string) => world.delivered.filter(({ message }) => message.commandId === id);
  const answer = (commandId: string, outcome: 'done' | 'refused', reason?: string) => world.report(vehicleId, { commandResults: [{ commandId, outcome, ...(reason !== undefined && { reason }) }] });

  test('VEHICLE-14: a command is verified by what the vehicle reports, and who waits hears of it', async () => {
    const id = v7();
    const waiting = send('unlock', { id, waitMs: 10_000 });
    await eventually(async () => deliveries(id).length === 1);
    await answer(id, 'done');
    expect(await waiting).toMatchObject({ id, state: 'verified' });
    expect(await find(id)).toMatchObject({ state: 'verified' });
  });

  test('VEHICLE-14: the reason of a refusal is handed on', async () => {
    const id = v7();
    const waiting = send('pause', { id, waitMs: 10_000 });
    await eventually(async () => deliveries(id).length === 1);
    await answer(id, 'refused', 'moving');
    expect(await waiting).toMatchObject({ state: 'refused', reason: 'moving' });
  });

  test('VEHICLE-13: the same id is the same command, sent again only by the clock', async () => {
    const id = v7();
    expect(await send('locate', { id })).toMatchObject({ state: 'sent' });
    expect(await send('locate', { id })).toMatchObject({ state: 'sent' });
    expect(deliveries(id)).toHaveLength(1);
    expect(await refusal(send('unlock', { id }))).toBe('idempotency-key-reused');
    await answer(id, 'done');
    await eventually(async () => (await find(id)).state === 'verified');
    expect(await send('locate', { id, waitMs: 5000 })).toMatchObject({ state: 'verified' });
  });

  test('VEHICLE-12: a command is sent again until the vehicle has answered', async () => {
    world.broker.connected = false;
    const id = v7();
    expect(await send('unlock', { id, expiresInMs: 600_000 })).toMatchObject({ state: 'pending' });
    world.broker.connected = true;
    world.clock.advance(1100);
    await eventually(async () => (await find(id)).state === 'sent');
    world.clock.advance(2100);
    await eventually(async () => deliveries(id).length === 3);
    await answer(id, 'done');
    await eventually(async () => (await find(id)).state === 'verified');
    world.clock.advance(60_000);
    const other = v7();
    await send('locate', { id: other });
    world.clock.advance(1100);
    await eventually(async () => deliveries(other).length >= 2);
    expect(deliveries(id)).toHaveLength(3);
  });

  test('VEHICLE-12: a vehicle that speaks after a silence is sent what waits for it', async () => {
    world.broker.connected = false;
    const id = v7();
    await send('unlock', { id, expiresInMs: 600_000 });
    for (let attempt = 2; attempt <= 5; attempt++) {
      world.clock.advance(2 ** (attempt - 2) * 1000 + 100);
      await eventually(async () => deliveries(id).length === attempt);
    }
    world.broker.connected = true;
    world.clock.advance(2000);
    await world.report(vehicleId);
    await eventually(async () => deliveries(id).length === 6);
  });

  test('VEHICLE-15: a command that nobody answers runs out; a lock goes on', async () => {
    const unlock = v7();
    const lock = v7();
    const waiting = send('unlock', { id: unlock, expiresInMs: 1000, waitMs: 15_000 });
    await eventually(async () => deliveries(unlock).length === 1);
    await send('lock', { id: lock, expiresInMs: 1000 });
    world.clock.advance(7000);
    expect(await waiting).toMatchObject({ state: 'expired' });
    world.clock.advance(8 * 24 * 3600_000);
    await eventually(async () => deliveries(lock).length >= 3);
    expect(Date.parse(deliveries(lock).at(-1)?.message.expiresAt ?? '')).toBeGreaterThan(world.clock.nowMs());
    await answer(lock, 'done');
    await eventually(async () => (await find(lock)).state === 'verified');
  });

  test('VEHICLE-24: a vehicle that moved when its ride was ended unheard is locked as soon as it stands', async () => {
    const lock = v7();
    await send('lock', { id: lock });
    await eventually(async () => deliveries(lock).length === 1);
    await answer(lock, 'refused', 'moving');
    const again = await eventually(async () => {
      world.clock.advance(500);
      return latest('lock') === lock ? undefined : latest('lock');
    });
    expect(await find(lock)).toMatchObject({ state: 'sent' });
    await answer(again, 'done');
    await eventually(async () => (await find(lock)).state === 'verified');
  });

  test('VEHICLE-24: whoever waits is told that it moves, and that was it', async () => {
    const lock = v7();
    const waiting = send('lock', { id: lock, waitMs: 15_000 });
    await eventually(async () => deliveries(lock).length === 1);
    await answer(lock, 'refused', 'moving');
    expect(await waiting).toMatchObject({ state: 'refused', reason: 'moving' });
  });

  const staff = (kind: 'unlock' | 'lock' | 'locate' | 'disable' | 'enable', idempotencyKey: string = v7()) => world.vehicles.commandVehicle({ params: { vehicleId }, body: { kind } }, { idempotencyKey, timeoutMs: 15_000 });
  const latest = (kind: string) => world.delivered.findLast((delivery) => delivery.vehicleId === vehicleId && delivery.message.kind === kind)?.message.commandId;

  test('VEHICLE-20: staff command a vehicle and hear how it ended; the same key is the same command', async () => {
    const key = v7();
    const waiting = staff('locate', key);
    const id = await eventually(async () => latest('locate'));
    const seen = await eventually(async () => {
      const command = await world.vehicles.getVehicleCommand({ params: { vehicleId, commandId: id } });
      return command.state === 'sent' && command;
    });
    expect(seen).toMatchObject({ id, kind: 'locate' });
    await answer(id, 'done');
    expect(await waiting).toMatchObject({ id, vehicleId, state: 'verified' });
    expect(await staff('locate', key)).toMatchObject({ id, state: 'verified' });
    expect(deliveries(id)).toHaveLength(1);
    expect(await refusal(staff('unlock', key))).toBe('idempotency-key-reused');
    expect(await refusal(world.vehicles.getVehicleCommand({ params: { vehicleId: 's-1', commandId: id } }))).toBe('not-found');
  });

  test('VEHICLE-21: a vehicle is out of renting from the moment somebody wants it disabled until it says that it is enabled', async () => {
    await world.report(vehicleId);
    await inStatus('available');
    const disabling = v7();
    expect(await send('disable', { id: disabling })).toMatchObject({ state: 'sent' });
    expect((await get()).status).toBe('out-of-service');
    world.clock.advance(1000);
    await world.report(vehicleId, { disabled: true });
    await eventually(async () => (await find(disabling)).state === 'verified');
    const enabling = v7();
    await send('enable', { id: enabling });
    expect((await get()).status).toBe('out-of-service');
    expect(await send('disable', { id: disabling })).toMatchObject({ state: 'verified' });
    const rebuilt = new Fleet();
    await loadFleet(rebuilt, { database: world.process.database('vehicle') as never, clock: world.clock });
    expect(rebuilt.get(vehicleId)).toMatchObject({ status: 'out-of-service', definition: { disabled: false }, live: { disabled: true } });
    world.clock.advance(1000);
    await world.report(vehicleId);
    expect(await inStatus('available')).toBeDefined();
    expect(await find(enabling)).toMatchObject({ state: 'verified' });
  });

  test('VEHICLE-22: a moving vehicle is told again until it stands', async () => {
    const id = v7();
    const waiting = send('disable', { id, expiresInMs: 3600_000, waitMs: 15_000 });
    await eventually(async () => deliveries(id).length === 1);
    await answer(id, 'refused', 'moving');
    const again = await eventually(async () => {
      world.clock.advance(500);
      return latest('disable') === id ? undefined : latest('disable');
    });
    expect(await find(id)).toMatchObject({ state: 'sent' });
    await answer(again, 'done');
    expect(await waiting).toMatchObject({ id, state: 'verified' });
  });

  test('VEHICLE-22: who wants the opposite ends the trying; another refusal is final', async () => {
    const disabling = v7();
    await send('disable', { id: disabling, expiresInMs: 3600_000 });
    await send('enable');
    expect(await find(disabling)).toMatchObject({ state: 'refused', reason: 'superseded' });
    const last = v7();
    await send('disable', { id: last, expiresInMs: 3600_000 });
    await answer(last, 'refused', 'not-supported');
    await eventually(async () => (await find(last)).state === 'refused');
    expect((await get()).status).toBe('out-of-service');
  });

  test('VEHICLE-23: when time is over without a word, the vehicle is asked, and what it says counts', async () => {
    const id = v7();
    await send('enable', { id, expiresInMs: 1000 });
    world.clock.advance(1500);
    const asked = await eventually(async () => latest('locate'));
    expect(await find(id)).toMatchObject({ state: 'sent' });
    await answer(asked, 'done');
    await eventually(async () => (await find(id)).state === 'verified');
  });

  test('VEHICLE-13: a command to nobody is not found', async () => {
    expect(await refusal(send('locate', { vehicleId: 'nobody' }))).toBe('not-found');
    expect(await refusal(find(v7()))).toBe('not-found');
  });
});
