/** Which zones hold a position: small squares of the map that are looked at once, then remembered. */

/** `[lon, lat]` in degrees; the outer ring first, then holes. */
type Polygons = readonly (readonly (readonly (readonly number[])[])[])[];

export interface ZoneArea {
  id: string;
  polygons: Polygons;
}

/** The side of a square: about 220 m. Inside most squares no border runs, and the square answers for the position. */
const squareE7 = 20_000;
const squaresAround = 180_000;
const mostSquares = 200_000;
/** A number holds no more bits. */
const mostBorders = 50;

interface Square {
  /** Hold all of it. */
  certain: readonly string[];
  /** Their borders run through it. */
  uncertain: readonly ZoneArea[];
  /** The number of the set, by which of the uncertain hold a position: the first is 1, the second 2, the third 4. */
  sets: Map<number, number>;
}

function ringCrosses(ring: readonly (readonly number[])[], lon: number, lat: number): boolean {
  let inside = false;
  let [bLon = 0, bLat = 0] = ring.at(-1) ?? [];
  for (const point of ring) {
    const aLon = point[0] ?? 0;
    const aLat = point[1] ?? 0;
    if (aLat > lat !== bLat > lat && lon < ((bLon - aLon) * (lat - aLat)) / (bLat - aLat) + aLon) inside = !inside;
    bLon = aLon;
    bLat = aLat;
  }
  return inside;
}

/** Even-odd over each polygon, holes cut out. */
export function zoneHolds({ polygons }: ZoneArea, lon: number, lat: number): boolean {
  for (const rings of polygons) {
    let crossed = false;
    for (const ring of rings) if (ringCrosses(ring, lon, lat)) crossed = !crossed;
    if (crossed) return true;
  }
  return false;
}

/** Whether the box of an edge touches the square; more often yes than the edge itself does, never less often. */
function borderTouches({ polygons }: ZoneArea, west: number, south: number, east: number, north: number): boolean {
  return polygons.some((rings) => rings.some((ring) => ring.some(([aLon = 0, aLat = 0], index) => {
    const [bLon = aLon, bLat = aLat] = ring[(index + 1) % ring.length] ?? [];
    return Math.min(aLon, bLon) <= east && Math.max(aLon, bLon) >= west && Math.min(aLat, bLat) <= north && Math.max(aLat, bLat) >= south && segmentTouches(aLon, aLat, bLon, bLat, west, south, east, north);
  })));
}

/** A segment whose box touches the square misses it when all four corners are on one side of its line. */
function segmentTouches(aLon: number, aLat: number, bLon: number, bLat: number, west: number, south: number, east: number, north: number): boolean {
  const side = (lon: number, lat: number) => Math.sign((bLon - aLon) * (lat - aLat) - (bLat - aLat) * (lon - aLon));
  return Math.abs(side(west, south) + side(west, north) + side(east, south) + side(east, north)) < 4;
}

/** Sets of zones have numbers, so that most comparisons are one of two numbers. 0 is the set without any. */
export class ZoneIndex {
  /** False until zones were asked for: until then nothing is known of any border. */
  isLoaded = false;
  #zones: { area: ZoneArea; box: readonly [number, number, number, number] }[] = [];
  readonly #squares = new Map<number, Square>();
  readonly #sets: (readonly string[])[] = [[]];
  readonly #setNumbers = new Map<string, number>([['', 0]]);

  /** Takes new zones; numbers of sets stay what they were. */
  replace(zones: readonly ZoneArea[]): void {
    this.isLoaded = true;
    this.#squares.clear();
    this.#zones = zones.map((area) => {
      const points = area.polygons.flat(2);
      const longitudes = points.map(([lon = 0]) => lon);
      const latitudes = points.map(([, lat = 0]) => lat);
      const least = (values: readonly number[]) => values.reduce((least, value) => Math.min(least, value), Infinity);
      return { area, box: [least(longitudes), least(latitudes), -least(longitudes.map((value) => -value)), -least(latitudes.map((value) => -value))] };
    });
  }

  ids(): Set<string> {
    return new Set(this.#zones.map(({ area }) => area.id));
  }

  /** @returns the ids of a set, sorted */
  idsOf(set: number): readonly string[] {
    return this.#sets[set] ?? [];
  }

  numberOf(ids: readonly string[]): number {
    const sorted = [...ids].sort();
    const key = sorted.join('\n');
    const known = this.#setNumbers.get(key);
    if (known !== undefined) return known;
    this.#sets.push(sorted);
    this.#setNumbers.set(key, this.#sets.length - 1);
    return this.#sets.length - 1;
  }

  /** @returns the number of the set of zones that hold a position */
  setAt(latitudeE7: number, longitudeE7: number): number {
    if (this.#zones.length === 0) return 0;
    const row = Math.floor(latitudeE7 / squareE7);
    const column = Math.floor(longitudeE7 / squareE7);
    const { certain, uncertain, sets } = this.#square(row, column);
    if (uncertain.length > mostBorders) return this.numberOf([...certain, ...uncertain.filter((area) => zoneHolds(area, longitudeE7 / 1e7, latitudeE7 / 1e7)).map(({ id }) => id)]);
    let holding = 0;
    let bit = 1;
    for (const area of uncertain) {
      if (zoneHolds(area, longitudeE7 / 1e7, latitudeE7 / 1e7)) holding += bit;
      bit *= 2;
    }
    const known = sets.get(holding);
    if (known !== undefined) return known;
    const set = this.numberOf([...certain, ...uncertain.filter((_, place) => Math.floor(holding / 2 ** place) % 2 === 1).map(({ id }) => id)]);
    sets.set(holding, set);
    return set;
  }

  #square(row: number, column: number): Square {
    const key = row * squaresAround + column;
    const known = this.#squares.get(key);
    if (known) return known;
    if (this.#squares.size >= mostSquares) this.#squares.clear();
    const square = this.#look((column * squareE7) / 1e7, (row * squareE7) / 1e7);
    this.#squares.set(key, square);
    return square;
  }

  #look(west: number, south: number): Square {
    const side = squareE7 / 1e7;
    const [east, north] = [west + side, south + side];
    const near = this.#zones.filter(({ box }) => box[0] <= east && box[2] >= west && box[1] <= north && box[3] >= south).map(({ area }) => area);
    const uncertain = near.filter((area) => borderTouches(area, west, south, east, north));
    const certain = near.filter((area) => !uncertain.includes(area) && zoneHolds(area, west + side / 2, south + side / 2));
    return { certain: certain.map(({ id }) => id), uncertain, sets: new Map() };
  }
}
