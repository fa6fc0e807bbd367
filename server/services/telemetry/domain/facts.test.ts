import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FactFinder, factSettings } from './facts.ts';
import { boundTimes, clockOffsetMs, clockToleranceMs, latestMs } from './judgement.ts';
import { LatencyOfMinute } from './latency.ts';
import { LiveFleet, novelty } from './live.ts';
import { RecentRecords } from './recent.ts';
import { ZoneIndex, zoneHolds } from './zones.ts';

const minute = 60_000;

test('TELEMETRY-20: a vehicle is offline after a quarter of an hour of silence, told once, back when it is heard; silence before we listened does not count', () => {
  const fleet = new LiveFleet();
  const finder = new FactFinder(fleet, new ZoneIndex(), factSettings);
  const row = fleet.rowOf('quiet');
  fleet.heardAtMs[row] = 1000;
  const names = () => finder.facts.splice(0).map(({ name }) => name);
  finder.sweep(60 * minute, 50 * minute);
  expect(names()).toEqual([]);
  finder.sweep(60 * minute, 0);
  finder.sweep(61 * minute, 0);
  expect(names()).toEqual(['wentOffline']);
  fleet.heardAtMs[row] = 62 * minute;
  finder.heard(row);
  finder.heard(row);
  expect(names()).toEqual(['cameBack']);
  finder.sweep(70 * minute, 0);
  expect(names()).toEqual([]);
});

test('TELEMETRY-06: each number is news once, in whatever order numbers come', () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 80 }), { maxLength: 200 }), (numbers) => {
    const fleet = new LiveFleet();
    const row = fleet.rowOf('any');
    const seen = new Set<number>();
    let highest = -1;
    for (const number of numbers) {
      const outcome = fleet.see(row, number);
      if (number > highest) expect(outcome).toBe(novelty.newest);
      else if (highest - number >= 64) expect(outcome).toBe(novelty.late);
      else expect(outcome).toBe(seen.has(number) ? novelty.duplicate : novelty.late);
      seen.add(number);
      highest = Math.max(highest, number);
    }
  }), { numRuns: 300 });
});

test('TELEMETRY-05: whatever a clock says, times are within what can be, and those that can be are kept', () => {
  fc.assert(fc.property(fc.array(fc.double({ min: 0, max: 4e12, noNaN: true }), { minLength: 1, maxLength: 20 }), fc.double({ min: 1e12, max: 3e12, noNaN: true }), (said, arrivedAtMs) => {
    const times = Float64Array.from(said);
    const offsetMs = clockOffsetMs(said.at(-1) ?? 0, arrivedAtMs, 0);
    boundTimes(times, times.length, arrivedAtMs, offsetMs);
    for (const [index, timeMs] of times.entries()) {
      expect(timeMs).toBeLessThanOrEqual(arrivedAtMs + clockToleranceMs);
      expect(timeMs).toBeGreaterThan(arrivedAtMs - latestMs - 1);
      const wasPossible = (said[index] ?? 0) <= arrivedAtMs + clockToleranceMs && (said[index] ?? 0) > arrivedAtMs - latestMs;
      if (offsetMs === 0 && wasPossible) expect(timeMs).toBe(said[index]);
    }
  }));
});

test('TELEMETRY-10: the squares of the map answer as the polygons do', () => {
  const ring = [[8.6, 50], [8.63, 50.005], [8.65, 50.03], [8.62, 50.02], [8.6, 50.04], [8.6, 50]];
  const hole = [[8.605, 50.008], [8.612, 50.008], [8.612, 50.016], [8.605, 50.016], [8.605, 50.008]];
  const zones = [{ id: 'crooked', polygons: [[ring, hole]] }, { id: 'square', polygons: [[[[8.61, 50.01], [8.64, 50.01], [8.64, 50.03], [8.61, 50.03], [8.61, 50.01]]]] }];
  const index = new ZoneIndex();
  index.replace(zones);
  fc.assert(fc.property(fc.integer({ min: 499_900_000, max: 500_500_000 }), fc.integer({ min: 85_900_000, max: 86_600_000 }), (latitudeE7, longitudeE7) => {
    const ids = zones.filter((zone) => zoneHolds(zone, longitudeE7 / 1e7, latitudeE7 / 1e7)).map(({ id }) => id);
    expect(index.idsOf(index.setAt(latitudeE7, longitudeE7))).toEqual(ids);
  }), { numRuns: 2000 });
});

test('TELEMETRY-19: vehicles are the same after they were packed and unpacked', () => {
  const fleet = new LiveFleet();
  for (let vehicle = 0; vehicle < 3000; vehicle++) {
    const row = fleet.rowOf(`vehicle-${vehicle}`);
    fleet.see(row, vehicle * 7);
    fleet.latitudeE7[row] = 500_000_000 + vehicle;
    fleet.atMs[row] = 1e12 + vehicle;
  }
  const other = new LiveFleet();
  other.rowOf('already there');
  other.unpack(fleet.ids.slice(1000, 3000), fleet.pack(1000, 3000));
  const row = other.find('vehicle-2999');
  expect([other.size, other.latitudeE7[row], other.atMs[row], other.sequence[row]]).toEqual([2001, 500_002_999, 1e12 + 2999, 2999 * 7]);
  expect(() => other.unpack(['one'], Buffer.alloc(3))).toThrow('not the state of 1 vehicles');
});

test('TELEMETRY-15: rates and durations are those of the last seconds, and older ones are forgotten', () => {
  const latency = new LatencyOfMinute();
  for (let duration = 1; duration <= 1000; duration++) latency.add(duration, 0);
  expect(Math.abs((latency.quantileMs(0.5, 0) ?? 0) - 500)).toBeLessThan(50);
  expect(Math.abs((latency.quantileMs(0.99, 0) ?? 0) - 990)).toBeLessThan(99);
  expect(latency.quantileMs(0.5, 70_000)).toBeNull();
  const recent = new RecentRecords();
  for (let second = 0; second < 20; second++) recent.add(0, 5, 1_000_000_000 + second * 1000);
  expect(recent.perSecond(1_000_020_000)).toBe(5);
  expect(recent.perSecond(1_000_060_000)).toBe(0);
  expect(recent.since(0, 1_000_000_000, 1_000_060_000)).toBe(100);
  expect(recent.since(0, 1_003_600_000, 1_003_600_000)).toBe(0);
});

test('TELEMETRY-10: a zone that is drawn around a standing vehicle was not entered, one that is taken away was not left, and who was crossing goes on', () => {
  const square = (id: string, west: number) => ({ id, polygons: [[[[west, 50], [west + 0.01, 50], [west + 0.01, 50.01], [west, 50.01], [west, 50]]]] });
  const [fleet, zones] = [new LiveFleet(), new ZoneIndex()];
  const finder = new FactFinder(fleet, zones, factSettings);
  zones.replace([square('west', 8.6), square('east', 8.61)]);
  const row = fleet.rowOf('rider');
  const at = (seconds: number, longitude: number) => {
    fleet.flags[row] = 1;
    fleet.batteryPerMille[row] = 800;
    fleet.atMs[row] = 1e12 + seconds * 1000;
    fleet.latitudeE7[row] = 500_050_000;
    fleet.longitudeE7[row] = longitude * 1e7;
    finder.newest(row, 30);
    return finder.facts.splice(0).map((fact) => [fact.name, 'zoneId' in fact.data ? fact.data.zoneId : '']);
  };
  expect(at(0, 8.605)).toEqual([]);
  expect(at(1, 8.615)).toEqual([]);
  const before = zones.ids();
  zones.replace([square('east', 8.61), square('new', 8.61)]);
  finder.zonesReplaced(before);
  expect(at(5, 8.615)).toEqual([]);
  expect(at(11, 8.615)).toEqual([['geofenceEntered', 'east']]);
  expect(at(40, 8.615)).toEqual([]);
  zones.replace([square('east', 8.61)]);
  finder.zonesReplaced(undefined);
  expect(at(50, 8.615)).toEqual([]);
});
