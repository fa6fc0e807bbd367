import { describe, expect, it } from 'vitest';
import { fixtureFeeds, fixtureNames } from '../fixtures/read.ts';
import { GbfsError } from '../finding.ts';
import { readSystem, type FeedText } from './system.ts';

const read = (name: (typeof fixtureNames)[number]) => readSystem({ location: name, feeds: fixtureFeeds(name) });
const feed = (name: string, data: unknown, envelope: object = {}): FeedText => ({ feed: name, location: `${name}.json`, text: JSON.stringify({ last_updated: 1_760_000_000, ttl: 60, version: '2.3', data, ...envelope }) });
const information = feed('system_information', { system_id: 's', language: 'en', name: 'S', timezone: 'Europe/Berlin' });
const readFeeds = (...feeds: FeedText[]) => readSystem({ location: 'test', feeds: [information, ...feeds] });
const codes = (system: ReturnType<typeof readSystem>) => system.findings.map(({ code }) => code);

describe('GBFS 2.3', () => {
  const system = read('v2.3-fjordhjul');

  it('is read without a complaint', () => expect(system.findings).toEqual([]));

  it('gives plain texts the language of the feed', () => {
    expect(system.information).toMatchObject({ id: 'fjordhjul', name: { nb: 'Fjordhjul' }, operator: { nb: 'Fjordhjul AS' }, timeZone: 'Europe/Oslo', languages: ['nb'] });
    expect(system.vehicleTypes[0]?.name).toEqual({ nb: 'Sparkesykkel' });
  });

  it('reads bikes as vehicles, `scooter` as standing scooter, POSIX times as instants', () => {
    expect(system.vehicles).toHaveLength(4);
    expect(system.vehicles[0]).toMatchObject({ id: 'fh:1', position: { lat: 60.3921, lon: 5.3233 }, currentRangeMetres: 31_000, lastReportedAt: '2025-10-09T08:53:10.000Z' });
    expect(system.vehicles[3]).toMatchObject({ stationId: 'torget', position: undefined });
    expect(system.vehicleTypes[0]?.formFactor).toBe('scooter_standing');
  });

  it('joins stations with their status and their capacity by type', () => {
    expect(system.stations[0]).toMatchObject({ id: 'torget', capacity: 12, capacityByType: [{ vehicleTypeIds: ['bysykkel'], count: 12 }], status: { vehiclesAvailable: 3, docksAvailable: 9, isRenting: true } });
    expect(system.stations[1]).toMatchObject({ isVirtual: true, status: { isRenting: false } });
    expect(system.stations[1]?.area?.[0]?.[0]).toHaveLength(5);
  });

  it('takes one `ride_allowed` for start and end', () => {
    expect(system.zones[1]?.rules).toEqual([{ vehicleTypeIds: ['sparkesykkel'], isRideStartAllowed: false, isRideEndAllowed: false, isRideThroughAllowed: true, maximumSpeedKilometresPerHour: 6, isStationParkingRequired: false }]);
    expect(system.zones[0]?.area[0]).toHaveLength(2);
    expect(system.zones[2]).toMatchObject({ startsAt: '2023-11-14T22:13:20.000Z', endsAt: '2023-11-26T12:00:00.000Z' });
  });

  it('has prices in minor units', () => {
    expect(system.pricingPlans[0]).toMatchObject({ priceMinor: 1050, perMinute: [{ start: 0, interval: 1, rateMinor: 300 }], isSurging: true, isRounded: false, isIncomplete: false, isTaxAdded: false });
  });

  it('reports each feed: what was read and what was left aside', () => {
    expect(system.feeds.find(({ feed: name }) => name === 'system_alerts')).toMatchObject({ state: 'ignored', reason: 'alerts are of the moment' });
    expect(system.feeds.find(({ feed: name }) => name === 'free_bike_status')).toMatchObject({ state: 'read', itemCount: 4 });
  });
});

describe('GBFS 3.0 and 3.1', () => {
  const system = read('v3.1-auenwheels');

  it('are read without a complaint', () => {
    expect(system.findings).toEqual([]);
    expect(read('v3.0-nabobil').findings).toEqual([]);
  });

  it('keep every translation', () => {
    expect(system.information.name).toEqual({ de: 'Auenwheels Auenstadt', en: 'Auenwheels' });
    expect(read('v3.0-nabobil').pricingPlans[0]?.name).toEqual({ 'nb-NO': 'Gjennomsnittspris per time' });
  });

  it('read what 3.1 added: reservation prices, caps, minimum age, availabilities', () => {
    expect(system.pricingPlans[0]).toMatchObject({ reservationPerMinuteMinor: 5, fareCap: { durationMinutes: 1440, priceMinor: 2490 }, perMinute: [{ start: 0, end: 60, interval: 1, rateMinor: 19 }, { start: 60, interval: 30, rateMinor: 550 }] });
    expect(system.pricingPlans[1]).toMatchObject({ isTaxAdded: true, reservationFlatMinor: 200, perKilometre: [{ start: 0, interval: 1, rateMinor: 10 }] });
    expect(system.vehicleTypes[1]?.minimumAgeYears).toBe(21);
    expect(system.vehicles.find(({ id }) => id === 'a-1')).toMatchObject({ energyFraction: 0.8, availabilities: [{ from: '2025-10-09T22:00:00.000Z', until: '2025-10-11T22:00:00.000Z' }] });
    expect(system.vehicles.find(({ id }) => id === 'a-2')).toMatchObject({ stationId: 'bahnhof', availabilities: [{ from: '2025-10-19T22:00:00.000Z' }] });
  });

  it('read rules, global rules and areas of several polygons', () => {
    expect(system.globalRules).toMatchObject([{ vehicleTypeIds: [], isRideEndAllowed: false, isRideThroughAllowed: true }]);
    expect(system.zones[1]?.area).toHaveLength(2);
    expect(system.zones[1]?.rules).toHaveLength(2);
  });

  it('give zones ids that stay the same', () => {
    expect(read('v3.1-auenwheels').zones.map(({ id }) => id)).toEqual(system.zones.map(({ id }) => id));
    expect(new Set(system.zones.map(({ id }) => id)).size).toBe(3);
  });

  it('knows the youngest update and the shortest life', () => expect(system).toMatchObject({ version: '3.1-RC3', lastUpdatedAt: '2025-10-09T06:53:20.000Z', timeToLiveSeconds: 0 }));
});

describe('feeds with faults', () => {
  it('keeps the first of two with one id', () => {
    const system = readFeeds(feed('free_bike_status', { bikes: [{ bike_id: 'a', lat: 1, lon: 1, is_reserved: false, is_disabled: false }, { bike_id: 'a', lat: 2, lon: 2, is_reserved: false, is_disabled: false }] }));
    expect(system.vehicles).toMatchObject([{ id: 'a', position: { lat: 1, lon: 1 } }]);
    expect(system.findings).toMatchObject([{ code: 'duplicate-id', pointer: '/data/bikes/1', severity: 'warning' }]);
  });

  it('names field and place of a wrong type, and keeps the rest of the item', () => {
    const system = readFeeds(feed('free_bike_status', { bikes: [{ bike_id: 7, lat: '1.5', lon: 2, is_reserved: 0, is_disabled: 'maybe', current_range_meters: -5, current_fuel_percent: 80, last_reported: 'yesterday' }] }));
    expect(system.vehicles).toMatchObject([{ id: '7', position: { lat: 1.5, lon: 2 }, isReserved: false, isDisabled: false, currentRangeMetres: undefined, energyFraction: 0.8, lastReportedAt: undefined }]);
    expect(system.findings.map(({ code, pointer }) => `${code} ${pointer}`).toSorted()).toEqual([
      'number-for-boolean /data/bikes/0/is_reserved', 'number-for-text /data/bikes/0/bike_id', 'out-of-range /data/bikes/0/current_range_meters',
      'percent-for-fraction /data/bikes/0/current_fuel_percent', 'text-for-number /data/bikes/0/lat', 'wrong-type /data/bikes/0/is_disabled', 'wrong-type /data/bikes/0/last_reported',
    ]);
  });

  it.each([{ lat: 91, lon: 0 }, { lat: 1, lon: 181 }, { lat: 0, lon: 0 }, {}, { lat: null, lon: null }])('leaves out a vehicle at %j', (place) => {
    const system = readFeeds(feed('free_bike_status', { bikes: [{ bike_id: 'a', ...place, is_reserved: false, is_disabled: false }] }));
    expect(system.vehicles).toEqual([]);
    expect(codes(system)).toContain('position-missing');
  });

  it('reads the other feeds when one is cut off', () => {
    const whole = feed('vehicle_types', { vehicle_types: [{ vehicle_type_id: 't', form_factor: 'car', propulsion_type: 'electric' }] });
    const system = readFeeds({ ...whole, text: whole.text.slice(0, -20) }, feed('system_regions', { regions: [{ region_id: 'r', name: 'R' }] }));
    expect(system.regions).toEqual([{ id: 'r', name: { en: 'R' } }]);
    expect(system.feeds.find(({ feed: name }) => name === 'vehicle_types')).toMatchObject({ state: 'failed' });
    expect(codes(system)).toContain('json-invalid');
  });

  it.each(['', '[]', '"text"', 'null', '{}', '{"data":[]}', '<html></html>', '\u0000'])('has a finding for %j', (text) => {
    const system = readFeeds({ feed: 'vehicle_types', location: 'x', text });
    expect(system.vehicleTypes).toEqual([]);
    expect(system.findings).toMatchObject([{ severity: 'error', feed: 'vehicle_types' }]);
  });

  it('reads a text that begins with a byte order mark', () => {
    const whole = feed('system_regions', { regions: [{ region_id: 'r', name: 'R' }] });
    expect(readFeeds({ ...whole, text: `\uFEFF${whole.text}` }).regions).toHaveLength(1);
  });

  it('puts placeholders for a missing system_information, as errors', () => {
    const system = readSystem({ location: 'test', feeds: [feed('system_regions', { regions: [] })] });
    expect(system.information).toMatchObject({ id: 'unknown', timeZone: 'Etc/UTC' });
    expect(system.findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)).toContain('feed-missing');
  });

  it('does not take a time zone that does not exist', () => {
    const system = readSystem({ location: 'test', feeds: [feed('system_information', { system_id: 's', name: 'S', language: 'en', timezone: 'Europe/Atlantis' })] });
    expect(system.information.timeZone).toBe('Etc/UTC');
    expect(codes(system)).toEqual(['time-zone-unknown']);
  });

  it('gives up only when there is nothing at all', () => {
    expect(() => readSystem({ location: 'test', feeds: [{ feed: 'vehicle_types', location: 'x', text: '{"data":' }] })).toThrow(GbfsError);
    expect(() => readSystem({ location: 'test', feeds: [] })).toThrow(/no feed of a GBFS system/);
  });

  it('marks plans that must not be charged as they are', () => {
    const plan = (id: string, rest: object) => ({ plan_id: id, name: id, description: '', currency: 'EUR', price: 1, is_taxable: false, ...rest });
    const system = readFeeds(feed('system_pricing_plans', { plans: [
      plan('text', { price: '1.50' }), plan('fine', { per_min_pricing: [{ start: 0, interval: 1, rate: 0.285 }] }), plan('no-price', { price: undefined }), plan('words', { price: 'a lot' }),
      plan('segment', { per_min_pricing: [{ start: 0, rate: 0.2 }] }), plan('backwards', { per_min_pricing: [{ start: 9, end: 3, interval: 1, rate: 1 }] }), plan('list', { per_km_pricing: 'ask' }), plan('money', { currency: 'Taler' }),
    ] }));
    expect(system.pricingPlans.map(({ id, priceMinor, isRounded, isIncomplete }) => [id, priceMinor, isRounded, isIncomplete])).toEqual([
      ['text', 150, false, false], ['fine', 100, true, false], ['no-price', 0, false, true], ['words', 0, false, true], ['segment', 100, false, true], ['backwards', 100, false, true], ['list', 100, false, true],
    ]);
    expect(system.pricingPlans[1]?.perMinute).toEqual([{ start: 0, interval: 1, rateMinor: 28 }]);
    expect(codes(system)).toContain('currency-unknown');
  });

  it('reports references to what is not there, each once', () => {
    const vehicle = (id: string) => ({ bike_id: id, lat: 1, lon: 1, is_reserved: false, is_disabled: false, vehicle_type_id: 'gone', pricing_plan_id: 'gone' });
    const system = readFeeds(feed('free_bike_status', { bikes: [vehicle('a'), vehicle('b')] }));
    expect(codes(system)).toEqual(['unknown-vehicle-type', 'unknown-plan']);
  });

  it('lists ten findings of a kind and counts the others', () => {
    const system = readFeeds(feed('free_bike_status', { bikes: Array.from({ length: 1000 }, (_, index) => ({ bike_id: index, lat: 1, lon: 1, is_reserved: false, is_disabled: false })) }));
    expect(system.vehicles).toHaveLength(1000);
    expect(system.findings).toHaveLength(10);
    expect(system.findings.at(-1)?.more).toBe(990);
  });

  it('is not led astray by names of object members', () => {
    const system = readFeeds(feed('constructor', {}), feed('system_regions', { regions: [{ region_id: '__proto__', name: [{ text: 'x', language: '__proto__' }, { text: 'R', language: 'en' }] }, { region_id: 'toString', name: 'T' }] }));
    expect(system.regions).toEqual([{ id: '__proto__', name: { en: 'R' } }, { id: 'toString', name: { en: 'T' } }]);
    expect(system.feeds[0]).toMatchObject({ feed: 'constructor', state: 'ignored', reason: 'not a feed that this library knows' });
  });

  it('keeps two zones of one shape apart when their rules differ, and one when they do not', () => {
    const geometry = { type: 'MultiPolygon', coordinates: [[[[0, 1], [1, 1], [1, 2], [0, 1]]]] };
    const zone = (allowed: boolean) => ({ type: 'Feature', geometry, properties: { name: 'Z', rules: [{ ride_allowed: allowed, ride_through_allowed: true }] } });
    const system = readFeeds(feed('geofencing_zones', { geofencing_zones: { type: 'FeatureCollection', features: [zone(true), zone(false), zone(true)] } }));
    expect(system.zones.map(({ rules }) => rules[0]?.isRideEndAllowed)).toEqual([true, false]);
    expect(codes(system)).toEqual(['duplicate-id']);
  });
});
