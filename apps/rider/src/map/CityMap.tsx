/**
 * The city map on a phone: no map is drawn there yet, and the list that every screen carries stands in.
 * The browser has `CityMap.web.tsx`.
 */
import { useEffect } from 'react';
import type { CityMapProps } from './mapTypes';

export function CityMap({ onUnavailable }: CityMapProps) {
  useEffect(onUnavailable, [onUnavailable]);
  return null;
}
