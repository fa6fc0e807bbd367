import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Problem } from '../../wire/problem.ts';
import type { Incident } from './contract.ts';
import { IncidentStreams } from './stream.ts';

const incident = (id: string, state: Incident['state'] = 'open'): Incident => ({
  id, kind: 'collision', state, severity: 'high', vehicleId: 'v', bookingId: null, occurredAt: '2026-11-22T10:00:00Z', openedAt: '2026-11-22T10:00:00Z', closedAt: null,
  position: { lat: 50, lon: 8 }, peakG: 7, tamper: null, assignee: null, riderAnswer: null, resolution: null,
});

let streams: IncidentStreams;
let reader: AbortController;
beforeEach(() => {
  streams = new IncidentStreams({ heartbeatMs: 30, mostPerCaller: 2, most: 3 });
  reader = new AbortController();
});
afterEach(() => {
  reader.abort();
  streams.close();
});

const open = (caller = 'ada', readOpen: () => Promise<Incident[]> = async () => []) => streams.open(caller, reader.signal, readOpen)[Symbol.asyncIterator]();
const told = async (iterator: AsyncIterator<string>): Promise<string[]> => [...String((await iterator.next()).value).matchAll(/"id":"(\w+)".*?"state":"([\w-]+)"/g)].map(([, id, state]) => `${id} ${state}`);
const refused = (work: () => unknown): string => {
  try {
    work();
    return 'nothing';
  } catch (error) {
    return error instanceof Problem ? error.code : String(error);
  }
};

describe('INCIDENT-10: live incidents', () => {
  test('the open ones first, then each change; what happens while they are read is not lost', async () => {
    const iterator = open('ada', async () => {
      streams.offer([incident('b')]);
      return [incident('a')];
    });
    expect(await told(iterator)).toEqual(['a open']);
    expect(await told(iterator)).toEqual(['b open']);
    streams.offer([incident('a', 'closed')]);
    expect(await told(iterator)).toEqual(['a closed']);
  });

  test('a slow reader is given each incident once, as it is now', async () => {
    const iterator = open();
    await iterator.next();
    for (const state of ['open', 'checking', 'escalated'] as const) streams.offer([incident('a', state), incident('b', state)]);
    streams.offer([incident('a', 'closed')]);
    expect(await told(iterator)).toEqual(['b escalated', 'a closed']);
  });

  test('silence is broken by comments, and ended by the reader', async () => {
    const iterator = open();
    await iterator.next();
    expect(await iterator.next()).toEqual({ value: ': still here\n\n', done: false });
    reader.abort();
    expect((await iterator.next()).done).toBe(true);
    expect(streams.openStreams).toBe(0);
  });

  test('so many for one caller and for all; who goes frees the place, also without having read', async () => {
    open();
    open();
    expect(refused(() => open())).toBe('too-many-streams');
    open('bob');
    expect(refused(() => open('eve'))).toBe('too-many-streams');
    reader.abort();
    expect(streams.openStreams).toBe(0);
    reader = new AbortController();
    const iterator = open();
    await iterator.next();
    streams.close();
    expect((await iterator.next()).done).toBe(true);
  });
});
