/** Bays and zones of a city, found by position. */
import { gridDisk, latLngToCell, polygonToCellsExperimental, POLYGON_TO_CELLS_FLAGS } from 'h3-js';
import type { Position, VehicleType } from '../../../wire/schemas.ts';
import type { Bay, Zone } from '../contract.ts';
import { type Box, boxOfPolygons, boxesTouch, distanceMetres, isInBox, polygonsContain } from './geometry.ts';

export const searchResolution = 9;
export const zoneResolution = 8;
/** The edges of cells of resolution 9, which are as long as their radius, over the whole earth. */
const shortestEdgeMetres = 155;
const longestEdgeMetres = 225;
/** Zones that would cover more cells of resolution 8 are few, and are tried for every position. */
const mostCellsOfZone = 20_000;
const squareDegreesOfCell = 0.737 / (111.2 * 111.2);

interface BoxedZone {
  zone: Zone;
  box: Box;
}

/** Nothing in a ring of cells (0 is the position's own) is nearer than this: rings are one and a half edges apart. */
export const nearestInRingMetres = (ring: number): number => Math.max(0, 1.5 * shortestEdgeMetres * ring - 2 * longestEdgeMetres);

/** How many rings of cells around a position's own hold everything within a distance. */
export const ringsFor = (radiusMetres: number): number => Math.ceil((radiusMetres + 2 * longestEdgeMetres) / (1.5 * shortestEdgeMetres)) - 1;

function cellsOfZone({ zone, box }: BoxedZone): string[] | undefined {
  const [west, south, east, north] = box;
  if ((((east - west) * (north - south)) / squareDegreesOfCell) * Math.cos((((south + north) / 2) * Math.PI) / 180) > mostCellsOfZone) return undefined;
  const cells = new Set<string>();
  for (const polygon of zone.polygons) {
    const [outer] = polygon;
    // The outer ring alone: holes are cut out exactly, later.
    if (outer) for (const cell of polygonToCellsExperimental([outer.map(([lon, lat]) => [lon, lat])], zoneResolution, POLYGON_TO_CELLS_FLAGS.containmentOverlapping, true)) cells.add(cell);
  }
  return [...cells];
}

/** Answers for positions; built once for each definition of a city. */
export class CityAreas {
  readonly bays: readonly Bay[];
  readonly #bayCells = new Map<string, Bay[]>();
  readonly #zones: readonly BoxedZone[];
  /** Places in `#zones`, ascending. */
  readonly #zoneCells = new Map<string, number[]>();
  readonly #wideZones: number[] = [];

  constructor(bays: readonly Bay[], zones: readonly Zone[]) {
    this.bays = bays;
    for (const bay of bays) {
      for (const cell of gridDisk(latLngToCell(bay.position.lat, bay.position.lon, searchResolution), ringsFor(bay.radiusMetres))) {
        const there = this.#bayCells.get(cell);
        if (there) there.push(bay);
        else this.#bayCells.set(cell, [bay]);
      }
    }
    this.#zones = zones.map((zone) => ({ zone, box: boxOfPolygons(zone.polygons) }));
    this.#zones.forEach((boxed, index) => {
      const cells = cellsOfZone(boxed);
      if (!cells) this.#wideZones.push(index);
      for (const cell of cells ?? []) {
        const there = this.#zoneCells.get(cell);
        if (there) there.push(index);
        else this.#zoneCells.set(cell, [index]);
      }
    });
  }

  /** The nearest bay whose circle holds the position and that takes the type. */
  bayAt(position: Position, type: VehicleType): Bay | undefined {
    let nearest: Bay | undefined;
    let nearestMetres = Infinity;
    for (const bay of this.#bayCells.get(latLngToCell(position.lat, position.lon, searchResolution)) ?? []) {
      if (!bay.vehicleTypes.includes(type)) continue;
      const metres = distanceMetres(bay.position, position);
      if (metres <= bay.radiusMetres && metres < nearestMetres) [nearest, nearestMetres] = [bay, metres];
    }
    return nearest;
  }

  /** Zones that hold the position and are about the type, in the order of the definition. */
  zonesAt(position: Position, type: VehicleType): Zone[] {
    const places = [...(this.#zoneCells.get(latLngToCell(position.lat, position.lon, zoneResolution)) ?? []), ...this.#wideZones].sort((a, b) => a - b);
    return places.flatMap((place) => {
      const boxed = this.#zones[place];
      if (!boxed || !boxed.zone.vehicleTypes.includes(type) || !isInBox(position, boxed.box)) return [];
      return polygonsContain(boxed.zone.polygons, position) ? [boxed.zone] : [];
    });
  }

  hasOperatingZone = (type: VehicleType): boolean => this.#zones.some(({ zone }) => zone.kind === 'operating' && zone.vehicleTypes.includes(type));

  zonesTouching = (box: Box): Zone[] => this.#zones.filter((boxed) => boxesTouch(boxed.box, box)).map(({ zone }) => zone);

  baysInside = (box: Box): Bay[] => this.bays.filter(({ position }) => isInBox(position, box));
}

export interface Place {
  bayId: string | null;
  multiplier: number;
  multiplierReason: string | undefined;
}

/** What a vehicle's place means for its price: the first pricing zone counts. */
export function placeOf(areas: CityAreas, position: Position, type: VehicleType): Place {
  const pricing = areas.zonesAt(position, type).find(({ kind }) => kind === 'pricing');
  return { bayId: areas.bayAt(position, type)?.id ?? null, multiplier: pricing?.multiplier ?? 1, multiplierReason: pricing && pricing.multiplier !== undefined && pricing.multiplier !== 1 ? pricing.name : undefined };
}

/** A bay lifts the ban of the no-parking zone around it; without an operating zone a city has no outer border. */
export function judgePlace(areas: CityAreas, position: Position, type: VehicleType): { bayId: string | null; inOperatingArea: boolean; parkingForbidden: boolean } {
  const bay = areas.bayAt(position, type);
  const kinds = new Set(areas.zonesAt(position, type).map(({ kind }) => kind));
  return {
    bayId: bay?.id ?? null,
    inOperatingArea: kinds.has('operating') || !areas.hasOperatingZone(type),
    parkingForbidden: !bay && (kinds.has('no-parking') || kinds.has('no-ride')),
  };
}
