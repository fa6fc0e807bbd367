import { describe, expect, it } from 'vitest';
import { fixtureFeeds, type FixtureName } from '../../libs/gbfs/fixtures/read.ts';
import { readSystem, type GbfsSystem, type PricingPlan, type VehicleType, type ZoneRule } from '../../libs/gbfs/index.ts';
import { CityDefinition } from '../services/vehicle/contract.ts';
import { CityImportError, cityFromGbfs, type ImportOptions } from './gbfs.ts';

const now = '2025-10-09T10:00:00.000Z';
const fixture = (name: FixtureName) => readSystem({ location: `https://example.org/${name}`, feeds: fixtureFeeds(name) });
const imported = (system: GbfsSystem, options: Partial<ImportOptions> = {}) => {
  const { city, findings } = cityFromGbfs(system, { now, ...options });
  return { city: CityDefinition.parse(city), findings, codes: findings.map(({ code }) => code) };
};

const type = (rest: Partial<VehicleType>): VehicleType => ({ id: 't', formFactor: 'car', propulsion: 'electric', planIds: [], ...rest });
const plan = (rest: Partial<PricingPlan>): PricingPlan => ({
  id: 'p', name: { en: 'Plan' }, description: {}, currency: 'EUR', priceMinor: 0, isTaxAdded: false, perMinute: [], perKilometre: [], isSurging: false, isRounded: false, isIncomplete: false, ...rest,
});
const rule = (rest: Partial<ZoneRule>): ZoneRule => ({ vehicleTypeIds: [], isRideStartAllowed: true, isRideEndAllowed: true, isRideThroughAllowed: true, isStationParkingRequired: false, ...rest });

/** One vehicle of one type at one plan in Berlin. */
const small = (rest: Partial<GbfsSystem> = {}): GbfsSystem => ({
  version: '3.0', location: 'test', information: { id: 'small', languages: ['en'], name: { en: 'Small' }, timeZone: 'Europe/Berlin' }, regions: [], vehicleTypes: [type({ maximumRangeMetres: 300_000 })],
  vehicles: [{ id: 'v', typeId: 't', planId: 'p', position: { lat: 52.5, lon: 13.4 }, isReserved: false, isDisabled: false, availabilities: [], rentalUris: {} }],
  stations: [], pricingPlans: [plan({ perMinute: [{ start: 0, interval: 1, rateMinor: 30 }] })], zones: [], globalRules: [], feeds: [], findings: [], ...rest,
});

describe('cars at a price stated in words', () => {
  const { city, findings } = imported(fixture('v3.0-nabobil'));

  it('are rented for each started hour, with the price of a day as the cap', () => {
    expect(city.tariffs[2]).toMatchObject({ id: 'NB:PricingPlan:3', currency: 'NOK', unlockFeeMinor: 0, segments: [{ startMinute: 0, intervalMinutes: 60, rateMinor: 12_600 }], dailyCapMinor: 101_100, taxPercent: 0, depositMinor: 150_000 });
    expect(city.vehicles.every(({ inService }) => inService)).toBe(true);
    expect(findings.filter(({ code }) => code === 'price-read-from-text')).toHaveLength(4);
  });

  it('make a free-floating city of the country of their time zone', () => {
    expect(city).toMatchObject({ id: 'nabobil-ostby', name: 'Nabobil Østby', country: 'NO', timeZone: 'Europe/Oslo', parking: 'free-floating', bays: [], zones: [], source: { kind: 'gbfs', reference: 'https://example.org/v3.0-nabobil', attribution: 'Nabobil Østby' } });
    expect(findings.map(({ code }) => code)).toContain('stations-missing');
  });

  it('need licence B and 18 years, and no plug without chargers', () => {
    expect(city.models).toMatchObject([
      { type: 'car', name: 'Car, electric', propulsion: 'electric', licenceClass: 'B', minimumAgeYears: 18, pluggable: false },
      { type: 'car', name: 'Car, petrol', propulsion: 'combustion', licenceClass: 'B' }, { type: 'van', name: 'Van, diesel', licenceClass: 'B' },
    ]);
    expect(city.vehicles.map(({ batteryPercent }) => batteryPercent)).toEqual([80, 100, 50, 12]);
  });
});

describe('a mixed system of GBFS 2.3', () => {
  const { city, codes } = imported(fixture('v2.3-fjordhjul'));

  it('keeps vehicles without a plan out of service, unless a plan is named or default prices are accepted', () => {
    const inService = (options: Partial<ImportOptions>) => imported(fixture('v2.3-fjordhjul'), options).city.vehicles.filter((vehicle) => vehicle.inService).map(({ id, tariffId }) => `${id} ${tariffId}`);
    expect(inService({})).toEqual(['fh:1 minutt', 'fh:2 minutt']);
    expect(inService({ defaultPlanId: 'dagskort' })).toEqual(['fh:1 minutt', 'fh:2 minutt', 'fh:4 dagskort', 'fjordhjul:torget:1 dagskort', 'fjordhjul:torget:2 dagskort']);
    expect(inService({ acceptDefaultPrices: true })).toEqual(['fh:1 minutt', 'fh:2 minutt', 'fh:4 default-ebike', 'fjordhjul:torget:1 default-ebike', 'fjordhjul:torget:2 default-ebike']);
    expect(codes).toContain('plan-missing');
  });

  it('makes docked bicycles of the numbers that no named vehicle fills', () => {
    expect(city.vehicles.map(({ id }) => id)).toEqual(['fh:1', 'fh:2', 'fh:3', 'fh:4', 'fjordhjul:torget:1', 'fjordhjul:torget:2', 'fjordhjul:nygard:1']);
    expect(city.vehicles.find(({ id }) => id === 'fjordhjul:torget:1')?.position).toEqual({ lat: 60.3945, lon: 5.326 });
    expect(imported(fixture('v2.3-fjordhjul'), { dockedVehicles: 'none' }).city.vehicles).toHaveLength(4);
  });

  it('has bicycles without a motor that are never low', () => {
    expect(city.models[1]).toMatchObject({ type: 'ebike', propulsion: 'human', minimumBatteryPercent: 0, name: 'Bysykkel' });
    expect(city.vehicles.find(({ id }) => id === 'fh:4')?.batteryPercent).toBe(100);
  });

  it('has bays as wide as their area, for the types that stand there', () => {
    expect(city.bays).toMatchObject([{ id: 'torget', capacity: 12, chargers: 0, radiusMetres: 25, vehicleTypes: ['ebike'] }, { id: 'nygard', radiusMetres: 16 }]);
  });

  it('has the zones that are in force', () => {
    expect(city.zones.map(({ name, kind, vehicleTypes, maximumSpeedKilometresPerHour }) => [name, kind, vehicleTypes, maximumSpeedKilometresPerHour])).toEqual([
      ['Fjordhjul-området', 'operating', ['scooter', 'ebike'], undefined], ['Bryggen', 'no-parking', ['scooter'], undefined], ['Bryggen', 'slow', ['scooter'], 6],
    ]);
    expect(imported(fixture('v2.3-fjordhjul'), { now: '2023-11-20T00:00:00.000Z' }).city.zones.map(({ kind }) => kind)).toContain('no-ride');
  });
});

describe('a system of GBFS 3.1', () => {
  const { city, codes } = imported(fixture('v3.1-auenwheels'));
  const tariff = (id: string) => city.tariffs.find((each) => each.id === id);

  it('keeps segments, reservation price and the cap of a day', () => {
    expect(tariff('zeit')).toMatchObject({ unlockFeeMinor: 100, segments: [{ startMinute: 0, endMinute: 60, intervalMinutes: 1, rateMinor: 19 }, { startMinute: 60, intervalMinutes: 30, rateMinor: 550 }], reservationPerMinuteMinor: 5, dailyCapMinor: 2490, taxPercent: 0 });
  });

  it('adds the tax of the country to prices that come without', () => {
    expect(tariff('auto')).toMatchObject({ taxPercent: 19, segments: [{ rateMinor: 35 }], perKilometreMinor: 11, depositMinor: 15_000 });
    expect(codes).toContain('tax-added');
  });

  it('rents nothing at a plan that cannot be charged as published', () => {
    expect(city.vehicles.find(({ id }) => id === 'm-1')?.inService).toBe(false);
    expect(codes).toContain('kilometre-price-not-supported');
  });

  it('plugs electric cars in, because there are chargers; asks for the age that the operator wants', () => {
    expect(city.models.map(({ id, type: ours, pluggable, minimumAgeYears, licenceClass }) => [id, ours, pluggable, minimumAgeYears, licenceClass])).toEqual([
      ['pedelec', 'ebike', false, 18, undefined], ['auto', 'car', true, 21, 'B'], ['bus', 'van', true, 18, 'B'], ['moped', 'scooter', false, 18, 'AM'],
    ]);
    expect(city.bays[0]).toMatchObject({ id: 'bahnhof', chargers: 6, vehicleTypes: ['car', 'van'] });
  });

  it('takes the first rule that names a type, and makes an operating area of where rides may end', () => {
    const found = city.zones.map(({ name, kind, vehicleTypes }) => `${name} ${kind} ${vehicleTypes.join(' ')}`);
    expect(found).toEqual(['Schlosspark no-ride ebike car van scooter', 'Ufer no-parking ebike', 'Ufer slow ebike', 'Ufer operating car van scooter', 'Auenstadt operating ebike car van scooter']);
  });

  it('leaves out what we do not rent, and says so', () => {
    expect(city.vehicles.map(({ id }) => id)).not.toContain('t-1');
    expect(codes).toEqual(expect.arrayContaining(['form-factor-not-supported', 'vehicle-type-not-imported', 'availability-not-imported', 'reservation-flat-not-supported']));
  });
});

describe('plans', () => {
  const tariffOf = (rest: Partial<PricingPlan>, options: Partial<ImportOptions> = {}) => {
    const { city, codes } = imported(small({ pricingPlans: [plan(rest)] }), options);
    return { tariff: city.tariffs[0], inService: city.vehicles[0]?.inService, codes };
  };

  it('with fields are read by their fields, whatever the words say', () => {
    expect(tariffOf({ name: { en: 'Price per hour' }, priceMinor: 100, perMinute: [{ start: 0, interval: 1, rateMinor: 20 }] })).toMatchObject({ tariff: { unlockFeeMinor: 100, segments: [{ intervalMinutes: 1, rateMinor: 20 }] }, inService: true });
  });

  it('with a price alone charge it once', () => {
    expect(tariffOf({ priceMinor: 500 })).toMatchObject({ tariff: { unlockFeeMinor: 500, segments: [] }, inService: true, codes: expect.arrayContaining(['flat-price']) as string[] });
  });

  it('by the hour have the price of a day as their cap, unless it is below the one of an hour', () => {
    const hourly = (day: number) => tariffOf({ name: { en: 'Per hour' }, priceMinor: 500, description: { en: `€${day} per day` } });
    expect(hourly(40).tariff?.dailyCapMinor).toBe(4000);
    expect(hourly(4)).toMatchObject({ tariff: { dailyCapMinor: undefined }, codes: expect.arrayContaining(['cap-implausible']) as string[] });
  });

  it('by the day are charged for each started day', () => {
    expect(tariffOf({ name: { de: 'Tagespreis' }, priceMinor: 4900 }).tariff).toMatchObject({ unlockFeeMinor: 0, segments: [{ intervalMinutes: 1440, rateMinor: 4900 }] });
  });

  it.each([
    ['words that contradict the price', { name: { en: 'Per hour' }, priceMinor: 500, description: { en: '€6 per hour' } }, 'price-contradicts-text'],
    ['words for which there are no fields', { priceMinor: 500, description: { en: '€6 per hour' } }, 'price-contradicts-text'],
    ['unreadable parts', { isIncomplete: true }, 'plan-incomplete'],
    ['steps by distance', { perKilometre: [{ start: 5, interval: 1, rateMinor: 20 }] }, 'kilometre-price-not-supported'],
    ['more segments than a tariff has', { perMinute: Array.from({ length: 51 }, (_, start) => ({ start, end: start + 1, interval: 0, rateMinor: 1 })) }, 'too-many-segments'],
  ])('with %s rent nothing, unless asked to', (_, rest, code) => {
    expect(tariffOf(rest)).toMatchObject({ inService: false, codes: expect.arrayContaining([code]) as string[] });
    expect(tariffOf(rest, { acceptDefaultPrices: true }).inService).toBe(true);
  });

  it('without tax in them need a country whose tax is known', () => {
    expect(tariffOf({ isTaxAdded: true, priceMinor: 999 }, { country: 'CH' }).tariff).toMatchObject({ unlockFeeMinor: 1079, taxPercent: 8.1 });
    expect(tariffOf({ isTaxAdded: true, priceMinor: 999 }, { country: 'US' })).toMatchObject({ inService: false, codes: expect.arrayContaining(['tax-unknown']) as string[] });
  });

  it('have no fines, unless they are given', () => {
    expect(tariffOf({}).tariff?.fines).toEqual({ outsideBayMinor: 0, notPluggedInMinor: 0, lateFixedMinor: 0, latePerMinuteMinor: 0 });
    expect(tariffOf({}, { fines: { outsideBayMinor: 700 } }).tariff?.fines).toMatchObject({ outsideBayMinor: 700, lateFixedMinor: 0 });
  });

  it('in another currency than most are left out, and their vehicles out of service', () => {
    const [vehicle] = small().vehicles;
    if (!vehicle) throw new Error('there is one');
    const { city, codes } = imported(small({ vehicles: ['a', 'b', 'c'].map((id) => ({ ...vehicle, id, planId: id === 'c' ? 'q' : 'p' })), pricingPlans: [plan({ id: 'q', currency: 'SEK' }), plan({ priceMinor: 100 })] }));
    expect(city.tariffs.map(({ id, currency }) => `${id} ${currency}`)).toEqual(['p EUR', 'default-car EUR']);
    expect(city.vehicles.map(({ tariffId, inService }) => `${tariffId} ${inService}`)).toEqual(['p true', 'p true', 'default-car false']);
    expect(codes).toContain('currency-not-of-city');
  });

  it('that are missing leave default prices in the currency of the country', () => {
    const { city } = imported(small({ pricingPlans: [] }), { country: 'NO', acceptDefaultPrices: true });
    expect(city.tariffs).toMatchObject([{ id: 'default-car', currency: 'NOK', segments: [{ rateMinor: 320 }], depositMinor: 100_000, taxPercent: 25 }]);
    expect(imported(small({ pricingPlans: [] }), { country: 'RS', acceptDefaultPrices: true }).city.vehicles[0]?.inService).toBe(false);
    expect(() => imported(small({ pricingPlans: [] }), { country: 'US' })).toThrow(/currency of US/);
  });

  it('have no segments that end where they start', () => {
    expect(tariffOf({ perMinute: [{ start: 0, end: 0, interval: 0, rateMinor: 9 }, { start: 0, interval: 1, rateMinor: 9 }] }).tariff?.segments).toHaveLength(1);
  });

  it('in a currency without a custom take no deposit', () => expect(tariffOf({ currency: 'XAF' })).toMatchObject({ tariff: { depositMinor: 0 }, codes: ['deposit-unknown', 'charge-unknown'] }));
});

describe('zones', () => {
  const square: [number, number][] = [[13, 52], [14, 52], [14, 53], [13, 53], [13, 52]];
  const kinds = (rules: ZoneRule[], globalRules: ZoneRule[] = []) =>
    imported(small({ zones: [{ id: 'z', name: { en: 'Z' }, area: [[square]], rules }], globalRules })).city.zones.map(({ kind, maximumSpeedKilometresPerHour: speed }) => (speed === undefined ? kind : `${kind} ${speed}`));

  it.each([
    [rule({}), ['operating']], [rule({ maximumSpeedKilometresPerHour: 10 }), ['slow 10']], [rule({ isRideEndAllowed: false }), ['no-parking']],
    [rule({ isRideEndAllowed: false, maximumSpeedKilometresPerHour: 6 }), ['no-parking', 'slow 6']], [rule({ isRideStartAllowed: false, isRideEndAllowed: false, isRideThroughAllowed: false }), ['no-ride']],
    [rule({ vehicleTypeIds: ['another'] }), []], [rule({ isRideThroughAllowed: false }), []], [rule({ maximumSpeedKilometresPerHour: 0 }), ['operating']],
  ])('of rule %j are %j', (given, expected) => expect(kinds([given])).toEqual(expected));

  it('in which rides may end are the operating area where they may not end elsewhere', () => {
    expect(kinds([rule({ maximumSpeedKilometresPerHour: 10 })], [rule({ isRideEndAllowed: false })])).toEqual(['operating', 'slow 10']);
  });

  it('without rules restrict nothing', () => expect(kinds([])).toEqual([]));
});

describe('parking', () => {
  const parking = (returnConstraint: VehicleType['returnConstraint'], stationId?: string) => {
    const station = { id: 's', name: { en: 'S' }, position: { lat: 52.5, lon: 13.4 }, capacityByType: [], isVirtual: false };
    const [vehicle] = small().vehicles;
    return imported(small({ stations: [station], vehicleTypes: [type({ returnConstraint })], vehicles: vehicle ? [{ ...vehicle, stationId }] : [] })).city.parking;
  };

  it.each([
    ['free_floating', 's', 'free-floating'], ['hybrid', 's', 'free-floating'], ['any_station', undefined, 'bays-only'], ['roundtrip_station', 's', 'bays-only'],
    [undefined, undefined, 'free-floating'], [undefined, 's', 'bays-only'],
  ] as const)('with return constraint %s and a vehicle at station %s is %s', (constraint, stationId, expected) => expect(parking(constraint, stationId)).toBe(expected));

  it('is free where there are no stations', () => expect(imported(small()).city.parking).toBe('free-floating'));
});

describe('systems that say little', () => {
  it('keep their ids where the contract allows them, and get fitting ones where not, two for two', () => {
    const vehicle = (id: string) => ({ ...small().vehicles[0], id, isReserved: false, isDisabled: false, availabilities: [], rentalUris: {}, typeId: 't', position: { lat: 1, lon: 1 } });
    const { city } = imported(small({ vehicles: ['A:1', 'Rad Nr. 5', 'Rad/Nr. 5', 'x'.repeat(200)].map(vehicle) }));
    const ids = city.vehicles.map(({ id }) => id);
    expect(ids[0]).toBe('A:1');
    expect(ids[1]).toMatch(/^Rad-Nr\.-5-[0-9a-f]{8}$/);
    expect(new Set(ids).size).toBe(4);
    expect(ids.every((id) => id.length <= 80)).toBe(true);
  });

  it('need a country, a place and something to rent', () => {
    const america = small({ information: { id: 's', languages: [], name: { en: 'S' }, timeZone: 'America/Chicago' } });
    expect(() => imported(america)).toThrow(CityImportError);
    expect(imported(america, { country: 'US' }).city.country).toBe('US');
    expect(() => imported(small({ vehicles: [] }))).toThrow(/neither vehicles nor stations/);
    expect(() => imported(small({ vehicleTypes: [type({ formFactor: 'other' })] }))).toThrow(/no vehicle type that we rent/);
    expect(() => imported(small(), { defaultPlanId: 'q' })).toThrow('the feed has no plan "q"; it has p');
  });

  it('without types have bicycles without a motor', () => {
    const { city } = imported(small({ vehicleTypes: [], vehicles: [{ id: 'b', position: { lat: 52, lon: 13 }, isReserved: true, isDisabled: false, availabilities: [], rentalUris: {} }] }));
    expect(city.models).toMatchObject([{ type: 'ebike', propulsion: 'human' }]);
    expect(city.vehicles).toMatchObject([{ tariffId: 'p', batteryPercent: 100, inService: true }]);
  });

  it.each([['Nissan', 'e-NV200', undefined, 'van'], ['Renault', 'Kangoo', undefined, 'van'], [undefined, undefined, 'Cargo van', 'van'], ['Volkswagen', 'Golf', undefined, 'car']] as const)('%s %s (%s) is a %s', (make, model, name, expected) => {
    const text = (value: string | undefined) => (value === undefined ? undefined : { en: value });
    expect(imported(small({ vehicleTypes: [type({ make: text(make), model: text(model), name: text(name) })] })).city.models[0]?.type).toBe(expected);
  });
});
