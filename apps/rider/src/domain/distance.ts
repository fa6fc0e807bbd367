/** Distances on the globe and as text. */

export interface Position {
  lat: number;
  lon: number;
}

const earthRadiusMetres = 6_371_008.8;
const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** Great-circle distance by the haversine formula. */
export function distanceMetres(from: Position, to: Position): number {
  const deltaLat = radians(to.lat - from.lat);
  const deltaLon = radians(to.lon - from.lon);
  const a = Math.sin(deltaLat / 2) ** 2 + Math.cos(radians(from.lat)) * Math.cos(radians(to.lat)) * Math.sin(deltaLon / 2) ** 2;
  return 2 * earthRadiusMetres * Math.asin(Math.min(1, Math.sqrt(a)));
}

/** `80 m`, `1.4 km`, `32 km`. */
export function formatDistance(metres: number, locale: string): string {
  const unit = (value: number, name: string, digits: number): string =>
    new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: digits }).format(value);
  if (metres < 950) return unit(Math.round(metres / 10) * 10, 'meter', 0);
  return unit(metres / 1000, 'kilometer', metres < 9_950 ? 1 : 0);
}

/** Minutes on foot at 4.8 km/h, along streets that are a third longer than the beeline. */
export function walkingMinutes(beelineMetres: number): number {
  return Math.max(1, Math.round((beelineMetres * 1.3) / 80));
}

export type Box = [west: number, south: number, east: number, north: number];

/** A box around a position, at least `radiusMetres` to every side. */
export function boxAround(position: Position, radiusMetres: number): Box {
  const deltaLat = radiusMetres / 111_000;
  const deltaLon = radiusMetres / (111_000 * Math.max(0.05, Math.cos(radians(position.lat))));
  return [position.lon - deltaLon, position.lat - deltaLat, position.lon + deltaLon, position.lat + deltaLat];
}

/** Whether `inner` lies wholly inside `outer`. */
export function containsBox(outer: Box, inner: Box): boolean {
  return outer[0] <= inner[0] && outer[1] <= inner[1] && outer[2] >= inner[2] && outer[3] >= inner[3];
}

/** A box grown by a share of its size to every side, kept on the globe. */
export function growBox([west, south, east, north]: Box, share: number): Box {
  const wide = (east - west) * share;
  const high = (north - south) * share;
  return [Math.max(-180, west - wide), Math.max(-90, south - high), Math.min(180, east + wide), Math.min(90, north + high)];
}
