import { expect, test } from 'vitest';
import { exampleBooking } from '../testing/examples';
import { Failure } from './failure';
import { type UnlockStage, unlockVehicle, type UnlockWorld } from './unlock';

const riding = exampleBooking({ state: 'riding' });
const waiting = exampleBooking({ state: 'confirmed' });

interface Script {
  nearFieldUrl?: string;
  taken?: boolean;
  /** What the booking is, each time it is asked for. */
  states?: (typeof riding)[];
  remote?: Failure;
}

function world({ nearFieldUrl, taken = true, states = [], remote }: Script): { world: UnlockWorld; stages: UnlockStage[]; calls: string[] } {
  const stages: UnlockStage[] = [];
  const calls: string[] = [];
  const left = [...states];
  const answers: Record<string, () => unknown> = {
    unlock: () => ({ token: 't', expiresAt: '2026-11-22T12:00:00Z', ...(nearFieldUrl && { nearFieldUrl }) }),
    getBooking: () => left.shift() ?? waiting,
    unlockRemotely: () => {
      if (remote) throw remote;
      return riding;
    },
  };
  const call = async (name: string): Promise<unknown> => {
    calls.push(name);
    return answers[name]?.();
  };
  return { stages, calls, world: { api: { call: call as UnlockWorld['api']['call'] }, present: async () => taken, wait: async () => undefined, onStage: (stage) => stages.push(stage) } };
}

test('beside the vehicle the token opens it, and the network is not asked', async () => {
  const { world: near, stages, calls } = world({ nearFieldUrl: 'http://vehicle', states: [waiting, riding] });
  expect(await unlockVehicle('b', near)).toEqual(riding);
  expect(stages).toEqual(['near']);
  expect(calls).not.toContain('unlockRemotely');
});

test('out of reach, without a radio link, or when the vehicle stays silent, the network opens it', async () => {
  for (const script of [{ nearFieldUrl: 'http://vehicle', taken: false }, {}, { nearFieldUrl: 'http://vehicle' }]) {
    const { world: far, stages } = world(script);
    expect(await unlockVehicle('b', far)).toEqual(riding);
    expect(stages).toEqual(['near', 'far']);
  }
});

test('a vehicle that the radio link opened meanwhile counts as open', async () => {
  const { world: both } = world({ remote: new Failure('wrong-state', 409), states: [riding] });
  expect(await unlockVehicle('b', both)).toEqual(riding);
});

test('a vehicle that neither way opens is told', async () => {
  const { world: neither } = world({ remote: new Failure('vehicle-unreachable', 504) });
  await expect(unlockVehicle('b', neither)).rejects.toMatchObject({ code: 'vehicle-unreachable' });
});
