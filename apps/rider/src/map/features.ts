/** What the map draws, as GeoJSON. */
import type { Feature, FeatureCollection } from 'geojson';
import type { Bay, Vehicle, Zone } from '../api/contract';
import type { Position } from '../domain/distance';
import { vehicleImageName } from './mapImages';
import type { CityMapProps } from './mapTypes';

const collection = (features: Feature[]): FeatureCollection => ({ type: 'FeatureCollection', features });
const point = ({ lat, lon }: Position, properties: Record<string, unknown>): Feature => ({ type: 'Feature', geometry: { type: 'Point', coordinates: [lon, lat] }, properties });

export function zoneFeatures(zones: readonly Zone[]): FeatureCollection {
  return collection(
    zones.map(({ id, kind, multiplier, polygons }) => ({
      type: 'Feature',
      geometry: { type: 'MultiPolygon', coordinates: polygons },
      properties: { id, kind, multiplier: multiplier ?? 1 },
    })),
  );
}

/** `Alte Oper` out of `Alte Oper, Opernplatz`: the map has room for the place, not for the address. */
const shortName = (name: string): string => name.split(',')[0] ?? name;

export function bayFeatures(bays: readonly Bay[]): FeatureCollection {
  return collection(bays.map(({ id, name, chargers, position }) => point(position, { id, label: shortName(name), chargers })));
}

/** The chosen vehicle is drawn apart, so that it never disappears into a cluster. */
export function vehicleFeatures(vehicles: readonly Vehicle[], chosenId: string | undefined): FeatureCollection {
  return collection(
    vehicles.filter(({ id }) => id !== chosenId).map(({ id, type, batteryPercent, position }) => point(position, { id, image: vehicleImageName(type, batteryPercent, false) })),
  );
}

export function chosenFeature(chosen: CityMapProps['selected']): FeatureCollection {
  return collection(chosen ? [point(chosen.position, { id: chosen.id, image: vehicleImageName(chosen.type, chosen.batteryPercent, true) })] : []);
}

export function ownFeature(me: Position | undefined): FeatureCollection {
  return collection(me ? [point(me, {})] : []);
}
