/** The demo city: Frankfurt am Main, with real places, and a fleet placed from a seed. */
import { cellsToMultiPolygon, polygonToCells } from 'h3-js';
import type { CityDefinitionInput } from '../services/vehicle/contract.ts';
import { fleet, models, tariffs } from './frankfurt-catalogue.ts';
import { bayPlaces, noParkingAreas, noRideAreas, operatingArea, pricingDistricts, slowAreas } from './frankfurt-places.ts';
import { type Random, seededRandom } from '../../simulator/randomness.ts';

type LonLat = readonly [lon: number, lat: number];
type BayInput = CityDefinitionInput['bays'][number];
type ZoneInput = CityDefinitionInput['zones'][number];
type VehicleInput = CityDefinitionInput['vehicles'][number];

const everyType: ZoneInput['vehicleTypes'] = ['scooter', 'ebike', 'car', 'van'];
const twoWheelers: ZoneInput['vehicleTypes'] = ['scooter', 'ebike'];
const metresPerDegreeOfLatitude = 111_320;
const pricingResolution = 8;

/** The Main between Niederrad and the Osthafen, roughly: nothing is parked in it. */
const river: readonly LonLat[] = [[8.648, 50.0925], [8.6588, 50.0978], [8.6655, 50.1015], [8.675, 50.1055], [8.6825, 50.1077], [8.6885, 50.1079], [8.696, 50.1073], [8.706, 50.1066], [8.7125, 50.1074], [8.735, 50.1055]];
const riverHalfWidthMetres = 110;

/**
 * The demo city as data. The same vehicles and seed give the same city, to the last digit.
 *
 * Half of the fleet are scooters, 28 % eBikes, 16 % cars, 6 % vans. Cars and vans stand in bays with chargers;
 * most two-wheelers stand in bays, one in eight was left in a street near one.
 * @param options.vehicles how many vehicles, 0 to 100,000; beyond the room in the bays they stand in the streets around
 * @param options.seed any integer
 */
export function frankfurt(options: { vehicles: number; seed: number }): CityDefinitionInput {
  const bays = bayPlaces.map(([id, name, lat, lon, capacity, chargers]): BayInput => ({
    id, name, position: { lat, lon }, capacity, chargers, radiusMetres: chargers > 0 ? 35 : 25,
    vehicleTypes: chargers > 0 ? everyType : twoWheelers,
  }));
  return {
    id: 'frankfurt',
    name: 'Frankfurt am Main',
    country: 'DE',
    timeZone: 'Europe/Berlin',
    center: { lat: 50.1109, lon: 8.6821 },
    parking: 'bays-only',
    source: { kind: 'seed', reference: `frankfurt seed ${options.seed}` },
    tariffs, models, bays,
    zones: zones(),
    vehicles: placeFleet(bays, options.vehicles, seededRandom(options.seed)),
  };
}

function zones(): ZoneInput[] {
  const polygons = (ring: readonly LonLat[]): ZoneInput['polygons'] => [[closed(ring)]];
  return [
    { id: 'operating-area', name: 'Frankfurt am Main', kind: 'operating', polygons: polygons(operatingArea), vehicleTypes: everyType },
    ...noParkingAreas.map(({ id, name, ring }): ZoneInput => ({ id, name, kind: 'no-parking', polygons: polygons(ring), vehicleTypes: everyType })),
    ...noRideAreas.map(({ id, name, ring }): ZoneInput => ({ id, name, kind: 'no-ride', polygons: polygons(ring), vehicleTypes: everyType })),
    ...slowAreas.map(({ id, name, ring, maximumSpeedKilometresPerHour }): ZoneInput => ({
      id, name, kind: 'slow', polygons: polygons(ring), vehicleTypes: twoWheelers, maximumSpeedKilometresPerHour,
    })),
    ...pricingZones(),
  ];
}

/** Pricing zones are made of whole H3 cells, so that they never overlap and demand can be counted in the same cells. */
function pricingZones(): ZoneInput[] {
  const taken = new Set<string>();
  return pricingDistricts.map(({ id, name, multiplier, ring }) => {
    const cells = polygonToCells([closed(ring)], pricingResolution, true).filter((cell) => !taken.has(cell));
    for (const cell of cells) taken.add(cell);
    const polygons = cellsToMultiPolygon(cells, true).map((polygon) => polygon.map((loop) => loop.map((point): [number, number] => [point[0] ?? 0, point[1] ?? 0])));
    return { id, name, kind: 'pricing', polygons, vehicleTypes: everyType, multiplier };
  });
}

function placeFleet(bays: BayInput[], vehicleCount: number, random: Random): VehicleInput[] {
  const room = new Map(bays.map((bay) => [bay.id, { chargers: bay.chargers ?? 0, spaces: Math.max(0, (bay.capacity ?? 0) - (bay.chargers ?? 0)) }]));
  const numbers = new Map<string, number>();
  return fleetModels(vehicleCount).map(({ modelId, tariffId, idPrefix }) => {
    const number = (numbers.get(idPrefix) ?? 0) + 1;
    numbers.set(idPrefix, number);
    const fourWheels = idPrefix === 'car' || idPrefix === 'van';
    const vehicle: VehicleInput = {
      id: `ffm-${idPrefix}-${String(number).padStart(4, '0')}`,
      modelId, tariffId,
      position: fourWheels ? atBay(bays, room, 'chargers', random) : twoWheelerPosition(bays, room, random),
      batteryPercent: fourWheels ? 55 + Math.floor(random() * 46) : batteryOfTwoWheeler(random),
    };
    if (fourWheels) vehicle.plate = `F-${idPrefix === 'car' ? 'MC' : 'MV'} ${1000 + number}E`;
    return vehicle;
  });
}

/** One entry for each vehicle: the shares of the models by largest remainder, so that they add up exactly. */
function fleetModels(vehicleCount: number): (typeof fleet)[number][] {
  const counts = fleet.map((part) => ({ part, count: Math.floor(part.share * vehicleCount), remainder: (part.share * vehicleCount) % 1 }));
  let missing = vehicleCount - counts.reduce((sum, { count }) => sum + count, 0);
  for (const entry of counts.toSorted((a, b) => b.remainder - a.remainder)) {
    if (missing <= 0) break;
    entry.count += 1;
    missing -= 1;
  }
  return counts.flatMap(({ part, count }) => Array.from({ length: count }, () => part));
}

/** A few in a hundred are nearly empty: work for the staff. */
const batteryOfTwoWheeler = (random: Random) => (random() < 0.04 ? 3 + Math.floor(random() * 10) : 22 + Math.floor(random() * 79));

type Room = Map<string, { chargers: number; spaces: number }>;

/** A place in a bay that has room, or near any suitable bay when all are full. */
function atBay(bays: BayInput[], room: Room, kind: 'chargers' | 'spaces', random: Random): { lat: number; lon: number } {
  const suitable = bays.filter((bay) => kind === 'spaces' || (bay.chargers ?? 0) > 0);
  const free = suitable.filter((bay) => (room.get(bay.id)?.[kind] ?? 0) > 0);
  if (free.length === 0 && kind === 'spaces') return inStreet(bays, random);
  const bay = pick(free.length > 0 ? free : suitable, random);
  const left = room.get(bay.id);
  if (left) left[kind] -= 1;
  return around(bay.position, (bay.radiusMetres ?? 25) * 0.6, random);
}

function twoWheelerPosition(bays: BayInput[], room: Room, random: Random): { lat: number; lon: number } {
  return random() < 0.125 ? inStreet(bays, random) : atBay(bays, room, 'spaces', random);
}

/** Somewhere within 400 m of a bay, where a vehicle may stand. */
function inStreet(bays: BayInput[], random: Random): { lat: number; lon: number } {
  const streetBays = bays.filter((bay) => bay.id !== 'flughafen');
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const place = around(pick(streetBays, random).position, 400, random);
    if (mayStand(place)) return place;
  }
  return pick(streetBays, random).position;
}

function mayStand({ lat, lon }: { lat: number; lon: number }): boolean {
  if (!contains(operatingArea, lon, lat)) return false;
  if ([...noParkingAreas, ...noRideAreas].some(({ ring }) => contains(ring, lon, lat))) return false;
  return river.slice(1).every((to, index) => metresToSegment(lon, lat, river[index] ?? to, to) > riverHalfWidthMetres);
}

/** Uniform over the disc, rounded to seven decimals: a centimetre. */
function around(center: { lat: number; lon: number }, radiusMetres: number, random: Random): { lat: number; lon: number } {
  const distance = radiusMetres * Math.sqrt(random());
  const angle = 2 * Math.PI * random();
  const lat = center.lat + (distance * Math.sin(angle)) / metresPerDegreeOfLatitude;
  const lon = center.lon + (distance * Math.cos(angle)) / (metresPerDegreeOfLatitude * Math.cos((center.lat * Math.PI) / 180));
  return { lat: Number(lat.toFixed(7)), lon: Number(lon.toFixed(7)) };
}

function contains(ring: readonly LonLat[], lon: number, lat: number): boolean {
  let inside = false;
  let previous = ring.at(-1);
  for (const point of ring) {
    if (previous && point[1] > lat !== previous[1] > lat && lon < ((previous[0] - point[0]) * (lat - point[1])) / (previous[1] - point[1]) + point[0]) inside = !inside;
    previous = point;
  }
  return inside;
}

function metresToSegment(lon: number, lat: number, from: LonLat, to: LonLat): number {
  const scale = Math.cos((lat * Math.PI) / 180);
  const [ax, ay, bx, by] = [(from[0] - lon) * scale, from[1] - lat, (to[0] - lon) * scale, to[1] - lat];
  const lengthSquared = (bx - ax) ** 2 + (by - ay) ** 2;
  const along = lengthSquared === 0 ? 0 : Math.min(1, Math.max(0, -(ax * (bx - ax) + ay * (by - ay)) / lengthSquared));
  return Math.hypot(ax + along * (bx - ax), ay + along * (by - ay)) * metresPerDegreeOfLatitude;
}

function closed(ring: readonly LonLat[]): [number, number][] {
  const points = ring.map(([lon, lat]): [number, number] => [lon, lat]);
  const first = points[0];
  return first ? [...points, [...first]] : points;
}

function pick<T>(items: readonly T[], random: Random): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new RangeError('nothing to pick from');
  return item;
}
