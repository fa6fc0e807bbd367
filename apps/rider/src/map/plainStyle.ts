/** A map style of our own: zones and bays, no tiles, no fonts, nothing from elsewhere. */
import type { LayerSpecification, StyleSpecification } from 'maplibre-gl';

interface MapColours {
  beyond: string;
  land: string;
  edge: string;
  busy: string;
  calm: string;
  forbidden: string;
  slow: string;
}

const light: MapColours = { beyond: '#E3E7DF', land: '#F8F9F5', edge: '#9FB3A8', busy: '#F0A43A', calm: '#3BAF7C', forbidden: '#C4362B', slow: '#B97A1B' };
const dark: MapColours = { beyond: '#080E0C', land: '#131D19', edge: '#3D5248', busy: '#F0A43A', calm: '#3BAF7C', forbidden: '#FF7A6B', slow: '#E0A84A' };

export const mapColours = (isDark: boolean): MapColours => (isDark ? dark : light);

/** The bare ground, under our own layers when no other style is set. */
export function plainStyle(isDark: boolean): StyleSpecification {
  return {
    version: 8,
    name: isDark ? 'Mobility dark' : 'Mobility light',
    sources: {},
    layers: [{ id: 'beyond', type: 'background', paint: { 'background-color': mapColours(isDark).beyond } }],
  };
}

/** Names of the sources that `overlayLayers` draw. */
export const sourceNames = ['zones', 'bays', 'vehicles', 'selected', 'me'] as const;
export type SourceName = (typeof sourceNames)[number];

function zoneLayers(isDark: boolean, overTiles: boolean): LayerSpecification[] {
  const colours = mapColours(isDark);
  const strength = overTiles ? 0.6 : 1;
  return [
    ...(overTiles ? [] : [{ id: 'zone-land', type: 'fill', source: 'zones', filter: ['==', ['get', 'kind'], 'operating'], paint: { 'fill-color': colours.land } } satisfies LayerSpecification]),
    {
      id: 'zone-pricing', type: 'fill', source: 'zones', filter: ['all', ['==', ['get', 'kind'], 'pricing'], ['!=', ['get', 'multiplier'], 1]],
      paint: {
        'fill-color': ['case', ['>', ['get', 'multiplier'], 1], colours.busy, colours.calm],
        'fill-opacity': ['interpolate', ['linear'], ['abs', ['-', ['get', 'multiplier'], 1]], 0, 0, 0.1, 0.07 * strength, 0.5, 0.22 * strength, 1.5, 0.3 * strength],
      },
    },
    {
      id: 'zone-pricing-edge', type: 'line', source: 'zones', filter: ['all', ['==', ['get', 'kind'], 'pricing'], ['!=', ['get', 'multiplier'], 1]],
      paint: { 'line-color': ['case', ['>', ['get', 'multiplier'], 1], colours.busy, colours.calm], 'line-opacity': 0.35 * strength, 'line-width': 1 },
    },
    { id: 'zone-edge', type: 'line', source: 'zones', filter: ['==', ['get', 'kind'], 'operating'], paint: { 'line-color': colours.edge, 'line-width': 2 } },
    { id: 'zone-forbidden', type: 'fill', source: 'zones', filter: ['in', ['get', 'kind'], ['literal', ['no-parking', 'no-ride']]], paint: { 'fill-pattern': 'hatch', 'fill-opacity': 0.8 } },
    { id: 'zone-forbidden-edge', type: 'line', source: 'zones', filter: ['in', ['get', 'kind'], ['literal', ['no-parking', 'no-ride']]], paint: { 'line-color': colours.forbidden, 'line-width': 1.5, 'line-opacity': 0.8 } },
    { id: 'zone-slow-edge', type: 'line', source: 'zones', filter: ['==', ['get', 'kind'], 'slow'], paint: { 'line-color': colours.slow, 'line-width': 2, 'line-dasharray': [1, 2] } },
  ];
}

/**
 * Zones, bays and vehicles, to lie over any style. Every symbol is an image, so no fonts are fetched.
 * @param overTiles a style with streets lies underneath, so zones are drawn more lightly
 */
export function overlayLayers(isDark: boolean, overTiles: boolean): LayerSpecification[] {
  return [
    ...zoneLayers(isDark, overTiles),
    {
      id: 'bay', type: 'symbol', source: 'bays', minzoom: 12.5,
      layout: {
        'icon-image': ['case', ['>', ['get', 'chargers'], 0], 'bay-charger', 'bay'],
        'icon-size': ['interpolate', ['linear'], ['zoom'], 12.5, 0.4, 15, 0.85, 17, 1.1],
        'icon-allow-overlap': true, 'icon-ignore-placement': true,
      },
      paint: { 'icon-opacity': ['interpolate', ['linear'], ['zoom'], 12.5, 0, 13.2, 1] },
    },
    {
      id: 'bay-name', type: 'symbol', source: 'bays', minzoom: 13.4,
      layout: { 'icon-image': ['concat', 'name|', ['get', 'label']], 'icon-anchor': 'top', 'icon-offset': [0, 22], 'icon-padding': 6 },
    },
    {
      id: 'cluster', type: 'symbol', source: 'vehicles', filter: ['has', 'point_count'],
      layout: { 'icon-image': ['concat', 'cluster|', ['get', 'point_count']], 'icon-allow-overlap': true, 'icon-ignore-placement': true },
    },
    {
      id: 'vehicle', type: 'symbol', source: 'vehicles', filter: ['!', ['has', 'point_count']],
      layout: { 'icon-image': ['get', 'image'], 'icon-allow-overlap': true, 'icon-ignore-placement': true },
    },
    { id: 'me-halo', type: 'circle', source: 'me', paint: { 'circle-radius': 18, 'circle-color': '#2F6FED', 'circle-opacity': 0.18 } },
    { id: 'me', type: 'circle', source: 'me', paint: { 'circle-radius': 7, 'circle-color': '#2F6FED', 'circle-stroke-color': '#FFFFFF', 'circle-stroke-width': 3 } },
    { id: 'selected', type: 'symbol', source: 'selected', layout: { 'icon-image': ['get', 'image'], 'icon-anchor': 'bottom', 'icon-allow-overlap': true, 'icon-ignore-placement': true } },
  ];
}
