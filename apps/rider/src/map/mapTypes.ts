/** What a city map shows and tells, the same for every way of drawing it. */
import type { Bay, Vehicle, Zone } from '../api/contract';
import type { Box, Position } from '../domain/distance';

export interface MapView {
  box: Box;
  centre: Position;
  zoom: number;
}

export interface CityMapProps {
  /** Where the map begins, and where it goes when this changes. */
  home: Position;
  vehicles: readonly Vehicle[];
  zones: readonly Zone[];
  bays: readonly Bay[];
  selected: Pick<Vehicle, 'id' | 'type' | 'batteryPercent' | 'position'> | undefined;
  /** The rider's own position, when known. */
  me: Position | undefined;
  /** MapLibre style to draw under everything; a plain one of our own without it. */
  styleUrl: string | undefined;
  /** Pixels of the map that something else covers. */
  covered: { bottom: number; left: number };
  onSelect: (vehicleId: string | undefined) => void;
  onView: (view: MapView) => void;
  /** Gives the means to zoom without a gesture, once there is a map. */
  onZoomable: (zoomBy: (steps: number) => void) => void;
  /** The map cannot be drawn here. */
  onUnavailable: () => void;
}
