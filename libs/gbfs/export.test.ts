import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixtureFeeds, fixtureNames } from './fixtures/read.ts';
import { toGbfs, type ExportedSystem } from './export.ts';
import { readSystem } from './reading/system.ts';

const options = { baseUrl: 'https://feeds.example/gbfs', now: '2026-01-02T03:04:05.000Z', contactEmail: 'gbfs@example.com' };
const reread = (system: ExportedSystem) => readSystem({
  location: 'test', version: '3.0',
  feeds: toGbfs(system, options).filter(({ name }) => name !== 'gbfs').map(({ name, document }) => ({ feed: name, location: name, text: JSON.stringify(document) })),
});

describe('a system written as GBFS 3.0', () => {
  it.each(fixtureNames)('is read as it was: %s', (name) => {
    const system = readSystem({ location: name, feeds: fixtureFeeds(name) });
    const again = reread(system);
    expect(again.findings).toEqual([]);
    const { minimumAgeYears: _, ...type } = system.vehicleTypes[1] ?? {};
    expect(again.vehicleTypes[1]).toMatchObject(JSON.parse(JSON.stringify(type)) as object);
    expect(again.zones).toEqual(system.zones);
    expect(again.globalRules).toEqual(system.globalRules);
    expect(again.regions).toEqual(system.regions);
    expect(again.stations).toEqual(system.stations);
    expect(again.vehicles).toEqual(system.vehicles.map((vehicle) => ({ ...vehicle, availabilities: [] })));
    expect(again.pricingPlans.map(({ perMinute, perKilometre, priceMinor, isTaxAdded }) => ({ perMinute, perKilometre, priceMinor, isTaxAdded })))
      .toEqual(system.pricingPlans.map(({ perMinute, perKilometre, priceMinor, isTaxAdded }) => ({ perMinute, perKilometre, priceMinor, isTaxAdded })));
  });

  it('lists in the discovery file exactly what there is', () => {
    const files = toGbfs(readSystem({ location: 'x', feeds: fixtureFeeds('v3.0-nabobil') }), options);
    expect(files[0]).toMatchObject({ name: 'gbfs', document: { version: '3.0', ttl: 60, last_updated: options.now } });
    expect(files[0]?.document.data['feeds']).toEqual(files.slice(1).map(({ name }) => ({ name, url: `https://feeds.example/gbfs/${name}.json` })));
    expect(files.map(({ name }) => name)).not.toContain('station_information');
  });

  it('keeps every price to the minor unit', () => {
    const system = readSystem({ location: 'x', feeds: fixtureFeeds('v3.0-nabobil') });
    const [plan] = system.pricingPlans;
    if (!plan) throw new Error('the fixture has plans');
    fc.assert(fc.property(fc.nat(2_000_000_000), fc.nat(100_000), fc.constantFrom('EUR', 'JPY', 'KWD'), (priceMinor, rateMinor, currency) => {
      const perMinute = [{ start: 0, interval: 1, rateMinor }];
      expect(reread({ ...system, pricingPlans: [{ ...plan, currency, priceMinor, perMinute }] }).pricingPlans).toMatchObject([{ priceMinor, perMinute, currency, isRounded: false }]);
    }), { numRuns: 50 });
  });
});
