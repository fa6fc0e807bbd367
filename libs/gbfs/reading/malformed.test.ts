/** Whatever a feed is made of, the reader ends with a sound model and findings, or says that there is nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixtureFeeds, fixtureNames } from '../fixtures/read.ts';
import { GbfsError } from '../finding.ts';
import type { GbfsSystem } from '../model.ts';
import { readSystem, type FeedText } from './system.ts';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

function expectSound(system: GbfsSystem): void {
  for (const list of [system.regions, system.vehicleTypes, system.vehicles, system.stations, system.pricingPlans, system.zones]) expect(new Set(list.map(({ id }) => id)).size).toBe(list.length);
  for (const position of [...system.vehicles, ...system.stations].flatMap((item) => item.position ?? [])) {
    expect(Math.abs(position.lat)).toBeLessThanOrEqual(90);
    expect(Math.abs(position.lon)).toBeLessThanOrEqual(180);
  }
  for (const vehicle of system.vehicles) {
    expect(vehicle.position ?? vehicle.stationId).toBeDefined();
    expect(vehicle.energyFraction ?? 0).toBeGreaterThanOrEqual(0);
    expect(vehicle.energyFraction ?? 0).toBeLessThanOrEqual(1);
  }
  for (const ring of [...system.zones, ...system.stations].flatMap((item) => (item.area ?? []).flat())) {
    expect(ring.length).toBeGreaterThanOrEqual(4);
    expect(ring.at(-1)).toEqual(ring[0]);
  }
  for (const plan of system.pricingPlans)
    for (const minor of [plan.priceMinor, ...[...plan.perMinute, ...plan.perKilometre].map(({ rateMinor }) => rateMinor)]) expect(Number.isSafeInteger(minor)).toBe(true);
  expect(() => new Intl.DateTimeFormat('en', { timeZone: system.information.timeZone })).not.toThrow();
  for (const { message, code } of system.findings) expect(message.length * code.length).toBeGreaterThan(0);
}

function readSoundly(feeds: FeedText[]): GbfsSystem | undefined {
  try {
    const system = readSystem({ location: 'test', feeds });
    expectSound(system);
    return system;
  } catch (error) {
    if (!(error instanceof GbfsError)) throw error;
    expect(error.code).toBe('nothing-to-read');
    return undefined;
  }
}

/** Replaces one value somewhere in the tree; `path` picks a member at each level. */
function replaced(value: Json, path: number[], other: Json): Json {
  const [step, ...rest] = path;
  if (step === undefined || value === null || typeof value !== 'object') return other;
  if (Array.isArray(value)) return value.length === 0 ? other : value.map((each, index) => (index === step % value.length ? replaced(each, rest, other) : each));
  const names = Object.keys(value);
  const chosen = names[step % Math.max(1, names.length)];
  return chosen === undefined ? other : { ...value, [chosen]: replaced(value[chosen] ?? null, rest, other) };
}

const odd = fc.oneof(
  fc.constantFrom<Json>(null, true, false, 0, -1, 1.5, 1e308, -1e308, 91, 181, '', ' ', 'text', '1', '1e9', [], {}, [[]], [null], { data: null }, { text: 1 }, '2025-13-45T99:00:00Z', '__proto__'),
  fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>,
);

describe('malformed feeds', () => {
  it('survive any value anywhere', () => {
    const fixtures = fixtureNames.map((name) => fixtureFeeds(name));
    fc.assert(fc.property(fc.nat(2), fc.nat(8), fc.array(fc.nat(12), { maxLength: 9 }), odd, (fixture, which, path, other) => {
      const feeds = fixtures[fixture] ?? [];
      const changed = which % feeds.length;
      const system = readSoundly(feeds.map((feed, index) => (index === changed ? { ...feed, text: JSON.stringify(replaced(JSON.parse(feed.text) as Json, path, other)) } : feed)));
      expect(system).toBeDefined();
    }), { numRuns: 400 });
  });

  it('survive being cut off anywhere', () => {
    for (const name of fixtureNames) {
      const feeds = fixtureFeeds(name);
      for (const [index, feed] of feeds.entries())
        for (const part of [0, 0.1, 0.35, 0.6, 0.85, 0.99]) {
          const text = feed.text.trimEnd().slice(0, Math.floor(feed.text.trimEnd().length * part));
          const system = readSoundly(feeds.map((each, position) => (position === index ? { ...each, text } : each)));
          expect(system?.feeds.find((report) => report.feed === feed.feed)?.state).toBe(feed.feed === 'system_alerts' ? 'ignored' : 'failed');
        }
    }
  });

  it('survive being replaced by anything', () => {
    fc.assert(fc.property(fc.constantFrom('vehicle_types', 'vehicle_status', 'station_information', 'station_status', 'geofencing_zones', 'system_pricing_plans', 'vehicle_availability'), fc.oneof(fc.json(), fc.string()), (feed, text) => {
      readSoundly([...fixtureFeeds('v3.0-nabobil').filter((each) => each.feed !== feed), { feed, location: 'x', text }]);
    }), { numRuns: 200 });
  });

  it('survive without any one of the feeds', () => {
    for (const name of fixtureNames) for (const missing of fixtureFeeds(name)) expect(readSoundly(fixtureFeeds(name).filter(({ feed }) => feed !== missing.feed))).toBeDefined();
  });

  it('read a ring of 100,000 points and one of 5,000 that crosses itself in no time', () => {
    const circle = (count: number) => Array.from({ length: count + 1 }, (_, index) => [Math.cos((2 * Math.PI * (index % count)) / count), Math.sin((2 * Math.PI * (index % count)) / count)]);
    const star = Array.from({ length: 4999 }, (_, index) => [Math.cos((2 * Math.PI * ((index * 2499) % 4998)) / 4998), Math.sin((2 * Math.PI * ((index * 2499) % 4998)) / 4998)]);
    const zone = (ring: number[][]) => ({ type: 'Feature', geometry: { type: 'MultiPolygon', coordinates: [[ring]] }, properties: {} });
    const text = JSON.stringify({ data: { geofencing_zones: { type: 'FeatureCollection', features: [zone(circle(100_000)), zone(star)] } } });
    const started = performance.now();
    expect(readSoundly([...fixtureFeeds('v3.0-nabobil'), { feed: 'geofencing_zones', location: 'x', text }])?.zones.length).toBeGreaterThanOrEqual(1);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
