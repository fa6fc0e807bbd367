import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CityDefinition } from './contract.ts';
import { CityAreas } from './domain/areas.ts';
import type { LiveState } from './domain/reports.ts';
import { type City, Fleet, type Filters } from './fleet.ts';
import { VehicleStreams } from './stream.ts';
import { testCity } from './testing/city.ts';
import { Problem } from '../../wire/problem.ts';

const definition = CityDefinition.parse(testCity());
const city: City = {
  summary: { id: 'testville', name: 'Testville', country: 'DE', timeZone: 'Europe/Berlin', center: definition.center, parking: 'bays-only', currency: 'EUR' },
  tariffs: new Map(definition.tariffs.map((tariff) => [tariff.id, tariff])), models: new Map(definition.models.map((model) => [model.id, model])), areas: new CityAreas(definition.bays, definition.zones),
};
const inside = { lat: 50.1, lon: 8.6 };
const outside = { lat: 50.2, lon: 8.6 };
const box = [8.59, 50.09, 8.61, 50.11] as const;
const nowMs = 1_000_000;

let fleet: Fleet;
let streams: VehicleStreams;
let reader: AbortController;

beforeEach(() => {
  fleet = new Fleet();
  streams = new VehicleStreams(fleet, { coalesceMs: 5, heartbeatMs: 40, mostPerCaller: 2, most: 3 });
  reader = new AbortController();
});
afterEach(() => {
  reader.abort();
  streams.close();
});

function place(id: string, position = inside, change: Partial<LiveState> = {}): void {
  const live: LiveState = { sequence: 1, reportedAtMs: nowMs, position, speedMetresPerSecond: 0, odometerMetres: 0, batteryPercent: 80, locked: true, pluggedIn: false, disabled: false, bookingId: null, ...change };
  fleet.set(id, city, { definition: { id, modelId: 'scooter', tariffId: 'slow', position, batteryPercent: 80, listed: true, inService: true, disabled: false, registeredAtMs: nowMs }, live, bookings: [] }, nowMs);
}

const open = (caller = 'me', filters: Filters = {}) => streams.open({ box, filters, caller, signal: reader.signal })[Symbol.asyncIterator]();

/** What a client makes of the next text: names and ids. */
async function next(iterator: AsyncIterator<string>): Promise<[string, string[]][]> {
  const { value, done } = await iterator.next();
  if (done) return [['end', []]];
  return String(value).split('\n\n').filter(Boolean).map((block) => {
    if (block.startsWith(':')) return ['comment', []];
    const [, name = '', data = ''] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
    const parsed = JSON.parse(data) as { items?: { id: string }[]; ids?: string[] };
    return [name, parsed.ids ?? parsed.items?.map(({ id }) => id) ?? []];
  });
}

describe('VEHICLE-19: live vehicles', () => {
  test('first what is there, then only what changes inside the box', async () => {
    place('a');
    place('far', outside);
    const iterator = open();
    expect(await next(iterator)).toEqual([['snapshot', ['a']]]);
    place('far', outside, { batteryPercent: 50 });
    place('b');
    place('a', inside, { batteryPercent: 70 });
    expect(await next(iterator)).toEqual([['upsert', ['b', 'a']]]);
    place('a', outside);
    place('b', inside, { locked: false });
    place('far', inside);
    expect(await next(iterator)).toEqual([['upsert', ['far']], ['remove', ['a', 'b']]]);
  });

  test('many changes of one vehicle are one, as it stands when it is read', async () => {
    place('a');
    const iterator = open();
    await next(iterator);
    for (let batteryPercent = 79; batteryPercent > 20; batteryPercent--) {
      place('a', inside, { batteryPercent });
      if (batteryPercent % 20 === 0) await new Promise((resume) => setTimeout(resume, 8));
    }
    const { value } = await iterator.next();
    expect(String(value).match(/event:/g)).toHaveLength(1);
    expect(String(value)).toContain('"batteryPercent":21');
  });

  test('filters hold for changes too', async () => {
    place('a');
    const iterator = open('me', { minBattery: 60 });
    expect(await next(iterator)).toEqual([['snapshot', ['a']]]);
    place('a', inside, { batteryPercent: 40 });
    expect(await next(iterator)).toEqual([['remove', ['a']]]);
  });

  test('silence is broken by a comment', async () => {
    const iterator = open();
    await next(iterator);
    expect(await next(iterator)).toEqual([['comment', []]]);
  });

  test('the stream ends when the reader goes, and its place is free again', async () => {
    const iterators = [open(), open()];
    expect(() => open()).toThrow(Problem);
    for (const iterator of iterators) await next(iterator);
    reader.abort();
    for (const iterator of iterators) expect(await next(iterator)).toEqual([['end', []]]);
    expect(streams.openStreams).toBe(0);
    reader = new AbortController();
    await next(open());
  });

  test('a reader that goes before it has read frees its place', () => {
    open();
    reader.abort();
    expect(streams.openStreams).toBe(0);
  });

  test('there are limits for one caller and for all', () => {
    open('one');
    open('one');
    expect(() => open('one')).toThrow('too-many-streams');
    open('two');
    expect(() => open('three')).toThrow('too-many-streams');
  });

  test('all streams end when the service stops', async () => {
    const iterator = open();
    await next(iterator);
    const ended = next(iterator);
    streams.close();
    expect(await ended).toEqual([['end', []]]);
  });
});
