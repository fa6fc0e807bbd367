/**
 * The city map on a phone: no map is drawn there yet, and the list that every screen carries stands in.
 * The browser has `CityMap.web.tsx`.
 */
import { useEffect } from 'react';
import { boxAround } from '../domain/distance';
import type { CityMapProps } from './mapTypes';

const listRadiusMetres = 2_500;

export function CityMap({ home, onView, onUnavailable }: CityMapProps) {
  useEffect(() => {
    onView({ box: boxAround(home, listRadiusMetres), centre: home, zoom: 14 });
    onUnavailable();
  }, [home, onView, onUnavailable]);
  return null;
}
