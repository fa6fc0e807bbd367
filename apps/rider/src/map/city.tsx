/** The city that the rider looks at: its ground, its vehicles, what is chosen. Shared by the map and every screen beside it. */
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import type { Bay, City, Vehicle, Zone } from '../api/contract';
import { useCities, useCityGround } from '../api/queries';
import { boxAround, distanceMetres, type Position } from '../domain/distance';
import { type Filters, fits, noFilters } from '../domain/filters';
import type { CityMapProps, MapView } from './mapTypes';
import { findMe } from './ownPosition';
import { type StreamState, useLiveVehicles } from './useLiveVehicles';

/** Bays and zones are read this far around the middle of a city. */
const groundRadiusMetres = 25_000;
/** Without a map the list shows what is this near. */
const listRadiusMetres = 2_500;
const fallbackHome: Position = { lat: 50.1109, lon: 8.6821 };

export interface CityState {
  cities: readonly City[];
  city: City | undefined;
  chooseCity: (cityId: string) => void;
  home: Position;
  zones: readonly Zone[];
  bays: readonly Bay[];
  /** What fits the filters, of what is in view. */
  vehicles: readonly Vehicle[];
  /** Everything to rent in view, whatever the filters. */
  everyVehicle: readonly Vehicle[];
  stream: StreamState;
  filters: Filters;
  setFilters: (filters: Filters) => void;
  me: Position | undefined;
  /** Asks the device where it is. @returns whether it said so */
  locate: () => Promise<boolean>;
  /** What the list is ordered around: the rider, or the middle of the map. */
  origin: Position;
  /** Metres from the rider as the crow flies; undefined while nobody knows where the rider is. */
  metresTo: (position: Position) => number | undefined;
  setView: (view: MapView) => void;
  selected: CityMapProps['selected'];
  select: (vehicle: CityMapProps['selected']) => void;
  mapAvailable: boolean;
  setMapUnavailable: () => void;
  coveredBottom: number;
  setCoveredBottom: (pixels: number) => void;
}

const CityContext = createContext<CityState | undefined>(undefined);

export function useCity(): CityState {
  const city = useContext(CityContext);
  if (!city) throw new Error('useCity needs a CityProvider above it');
  return city;
}

const nobody: readonly never[] = [];

export function CityProvider({ children }: { children: ReactNode }) {
  const cities = useCities().data?.items ?? nobody;
  const [cityId, chooseCity] = useState<string>();
  const [view, setView] = useState<MapView>();
  const [filters, setFilters] = useState<Filters>(noFilters);
  const [me, setMe] = useState<Position>();
  const [selected, select] = useState<CityMapProps['selected']>();
  const [mapAvailable, setMapAvailable] = useState(true);
  const [coveredBottom, setCoveredBottom] = useState(0);

  const city = cities.find(({ id }) => id === cityId) ?? cities[0];
  const latitude = city?.center.lat ?? fallbackHome.lat;
  const longitude = city?.center.lon ?? fallbackHome.lon;
  const home = useMemo<Position>(() => ({ lat: latitude, lon: longitude }), [latitude, longitude]);
  const ground = useCityGround(useMemo(() => (city ? boxAround(home, groundRadiusMetres) : undefined), [city, home]));
  const { vehicles: live, state: stream } = useLiveVehicles(view?.box);

  useEffect(() => {
    const centre = me ?? home;
    if (!mapAvailable) setView({ box: boxAround(centre, listRadiusMetres), centre, zoom: 14 });
  }, [mapAvailable, me, home]);

  const locate = useCallback(async () => {
    const found = await findMe();
    setMe(found);
    return found !== undefined;
  }, []);
  const setMapUnavailable = useCallback(() => setMapAvailable(false), []);

  const everyVehicle = useMemo(() => live.filter((vehicle) => fits(vehicle, noFilters)), [live]);
  const vehicles = useMemo(() => everyVehicle.filter((vehicle) => fits(vehicle, filters)), [everyVehicle, filters]);
  const centre = view?.centre ?? home;
  // Someone in another town plans a trip: distances then count from where the map looks.
  const here = me && distanceMetres(me, centre) < 50_000 ? me : undefined;
  const origin = here ?? centre;
  const metresTo = useCallback((position: Position) => here && distanceMetres(here, position), [here]);

  const value = useMemo<CityState>(
    () => ({
      cities, city, chooseCity, home, zones: ground.zones ?? nobody, bays: ground.bays ?? nobody, vehicles, everyVehicle, stream, filters, setFilters,
      me, locate, origin, metresTo, setView, selected, select, mapAvailable, setMapUnavailable, coveredBottom, setCoveredBottom,
    }),
    [cities, city, home, ground.zones, ground.bays, vehicles, everyVehicle, stream, filters, me, locate, origin, metresTo, selected, mapAvailable, setMapUnavailable, coveredBottom],
  );
  return <CityContext.Provider value={value}>{children}</CityContext.Provider>;
}
