/** Whether a city's definition holds together. */
import type { CityDefinition } from '../contract.ts';
import { ringAreaDegrees, type Ring } from './geometry.ts';

export interface Contradiction {
  pointer: string;
  message: string;
}

const mostPointsOfZone = 100_000;
const mostContradictions = 20;

function duplicates(part: string, ids: readonly string[]): Contradiction[] {
  const seen = new Set<string>();
  return ids.flatMap((id, index) => {
    const twice = seen.has(id);
    seen.add(id);
    return twice ? [{ pointer: `/${part}/${index}/id`, message: `${id} is there twice` }] : [];
  });
}

function ringFault(ring: Ring): string | undefined {
  const first = ring[0];
  const last = ring.at(-1);
  if (!first || !last || first[0] !== last[0] || first[1] !== last[1]) return 'the ring is not closed: its last point has to be its first';
  if (ring.some(([lon, lat]) => Math.abs(lon) > 180 || Math.abs(lat) > 90)) return 'a point is not [longitude, latitude] in degrees';
  if (ringAreaDegrees(ring) === 0) return 'the ring encloses nothing';
  return undefined;
}

function zoneFaults(zones: CityDefinition['zones']): Contradiction[] {
  return zones.flatMap((zone, index) => {
    const pointer = `/zones/${index}/polygons`;
    const rings = zone.polygons.flat();
    if (rings.reduce((sum, ring) => sum + ring.length, 0) > mostPointsOfZone) return [{ pointer, message: `more than ${mostPointsOfZone} points` }];
    // Crossing lines are let through: real feeds have them, and even-odd counting gives each point one answer.
    const message = rings.map(ringFault).find((fault) => fault !== undefined);
    return message === undefined ? [] : [{ pointer, message }];
  });
}

function tariffFaults(tariffs: CityDefinition['tariffs']): Contradiction[] {
  const currency = tariffs[0]?.currency;
  return tariffs.flatMap((tariff, index) => {
    const faults: Contradiction[] = [];
    if (tariff.currency !== currency) faults.push({ pointer: `/tariffs/${index}/currency`, message: `a city has one currency, and the first tariff is in ${currency}` });
    tariff.segments.forEach(({ startMinute, endMinute }, segment) => {
      if (endMinute !== undefined && endMinute <= startMinute) faults.push({ pointer: `/tariffs/${index}/segments/${segment}`, message: 'ends before it begins' });
    });
    return faults;
  });
}

const isTimeZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).format(0) !== '';
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
};

/** @returns the first contradictions as JSON pointers, none when the definition can be used */
export function contradictionsOf(city: CityDefinition): Contradiction[] {
  const models = new Set(city.models.map(({ id }) => id));
  const tariffs = new Set(city.tariffs.map(({ id }) => id));
  return [
    ...(isTimeZone(city.timeZone) ? [] : [{ pointer: '/timeZone', message: `${city.timeZone} is not an IANA time zone` }]),
    ...duplicates('tariffs', city.tariffs.map(({ id }) => id)),
    ...duplicates('models', city.models.map(({ id }) => id)),
    ...duplicates('bays', city.bays.map(({ id }) => id)),
    ...duplicates('zones', city.zones.map(({ id }) => id)),
    ...duplicates('vehicles', city.vehicles.map(({ id }) => id)),
    ...tariffFaults(city.tariffs),
    ...zoneFaults(city.zones),
    ...city.vehicles.flatMap((vehicle, index) => [
      ...(models.has(vehicle.modelId) ? [] : [{ pointer: `/vehicles/${index}/modelId`, message: `there is no model ${vehicle.modelId}` }]),
      ...(tariffs.has(vehicle.tariffId) ? [] : [{ pointer: `/vehicles/${index}/tariffId`, message: `there is no tariff ${vehicle.tariffId}` }]),
    ]),
  ].slice(0, mostContradictions);
}
