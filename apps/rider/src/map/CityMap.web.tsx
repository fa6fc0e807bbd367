/** The city map in a browser, drawn by MapLibre. */
import 'maplibre-gl/dist/maplibre-gl.css';
import type { GeoJSONSource, Map as LibreMap } from 'maplibre-gl';
import { type RefObject, useEffect, useRef, useState } from 'react';
import { useTheme } from '../design/theme';
import { useLanguage } from '../i18n/language';
import { bayFeatures, chosenFeature, ownFeature, vehicleFeatures, zoneFeatures } from './features';
import { imageRatio, paintImage } from './mapImages';
import type { CityMapProps, MapView } from './mapTypes';
import { overlayLayers, plainStyle, type SourceName } from './plainStyle';

type Library = typeof import('maplibre-gl');

/** MapLibre is a megabyte: fetched when the first map is shown. */
let library: Promise<Library> | undefined;
function loadLibrary(): Promise<Library> {
  library ??= import('maplibre-gl').then((loaded) => {
    loaded.setWorkerUrl(`${window.location.origin}/maplibre-gl-worker.mjs?v=${loaded.getVersion()}`);
    return loaded;
  });
  return library;
}

function canDraw(): boolean {
  const context = document.createElement('canvas').getContext('webgl2');
  context?.getExtension('WEBGL_lose_context')?.loseContext();
  return context !== null;
}

function viewOf(map: LibreMap): MapView {
  const bounds = map.getBounds();
  const { lat, lng } = map.getCenter();
  return { box: [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()], centre: { lat, lon: lng }, zoom: map.getZoom() };
}

/** Adds our sources, layers and pictures, again after each change of style. */
function dress(map: LibreMap, dark: boolean, overTiles: boolean): void {
  for (const name of ['zones', 'bays', 'selected', 'me'] as const) {
    if (!map.getSource(name)) map.addSource(name, { type: 'geojson', data: { type: 'FeatureCollection', features: [] } });
  }
  if (!map.getSource('vehicles')) {
    map.addSource('vehicles', { type: 'geojson', data: { type: 'FeatureCollection', features: [] }, cluster: true, clusterRadius: 40, clusterMaxZoom: 17 });
  }
  for (const layer of overlayLayers(dark, overTiles)) if (!map.getLayer(layer.id)) map.addLayer(layer);
}

function listen(map: LibreMap, current: { current: Current }): void {
  map.on('moveend', () => current.current.props.onView(viewOf(map)));
  map.on('click', (event) => {
    const reach = 6;
    const { x, y } = event.point;
    const [hit] = map.queryRenderedFeatures([[x - reach, y - reach], [x + reach, y + reach]], { layers: ['vehicle', 'cluster'] });
    if (!hit) {
      current.current.props.onSelect(undefined);
      return;
    }
    const { id, cluster_id: clusterId } = hit.properties as { id?: string; cluster_id?: number };
    if (id !== undefined) current.current.props.onSelect(id);
    else if (clusterId !== undefined && hit.geometry.type === 'Point') {
      const [lng = 0, lat = 0] = hit.geometry.coordinates;
      const source = map.getSource<GeoJSONSource>('vehicles');
      void source?.getClusterExpansionZoom(clusterId).then((zoom) => map.easeTo({ center: [lng, lat], zoom: zoom + 0.2, duration: current.current.still ? 0 : 450 }));
    }
  });
  for (const layer of ['vehicle', 'cluster']) {
    map.on('mouseenter', layer, () => (map.getCanvas().style.cursor = 'pointer'));
    map.on('mouseleave', layer, () => (map.getCanvas().style.cursor = ''));
  }
}

/** What the map has to know at the moment something happens, not when it was made. */
interface Current {
  props: CityMapProps;
  dark: boolean;
  still: boolean;
}

async function createMap(container: HTMLElement, current: { current: Current }, title: string, onDressed: () => void): Promise<LibreMap> {
  const { Map: LibreMapClass } = await loadLibrary();
  const { home, styleUrl } = current.current.props;
  const map = new LibreMapClass({
    container,
    style: styleUrl ?? plainStyle(current.current.dark),
    center: [home.lon, home.lat],
    zoom: 14,
    minZoom: 4,
    maxZoom: 19,
    attributionControl: styleUrl ? { compact: true } : false,
    dragRotate: false,
    pitchWithRotate: false,
    locale: { 'Map.Title': title },
  });
  map.touchZoomRotate.disableRotation();
  map.setMissingStyleImageResolver((id) => {
    const picture = paintImage(id, current.current.dark);
    if (picture && !map.hasImage(id)) map.addImage(id, picture, { pixelRatio: imageRatio });
  });
  map.on('style.load', () => {
    dress(map, current.current.dark, current.current.props.styleUrl !== undefined);
    onDressed();
  });
  listen(map, current);
  current.current.props.onZoomable((steps) => map.zoomTo(map.getZoom() + steps, { duration: current.current.still ? 0 : 250 }));
  map.once('load', () => current.current.props.onView(viewOf(map)));
  return map;
}

/** One map for as long as the component lives. `dressed` counts the styles that got our layers, so that data is put into each. */
function useLibreMap(current: { current: Current }, title: string): { frame: RefObject<HTMLDivElement | null>; map: LibreMap | undefined; dressed: number } {
  const frame = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<LibreMap>();
  const [dressed, setDressed] = useState(0);
  useEffect(() => {
    const container = frame.current;
    if (!container) return undefined;
    if (!canDraw()) {
      current.current.props.onUnavailable();
      return undefined;
    }
    let created: LibreMap | undefined;
    let stopped = false;
    createMap(container, current, title, () => setDressed((count) => count + 1)).then(
      (made) => {
        created = made;
        if (stopped) made.remove();
        else setMap(made);
      },
      () => current.current.props.onUnavailable(),
    );
    return () => {
      stopped = true;
      created?.remove();
      setMap(undefined);
    };
  }, [current, title]);
  return { frame, map, dressed };
}

/** Keeps what is drawn in step with what is given. */
function useMapData(map: LibreMap | undefined, dressed: number, { zones, bays, vehicles, selected, me }: CityMapProps): void {
  const drawn = useRef(new Map<SourceName, string>());
  useEffect(() => drawn.current.clear(), [map, dressed]);
  const put = (name: SourceName, data: ReturnType<typeof zoneFeatures>): void => {
    // Most reports of a vehicle change nothing that is drawn, and drawing drains phones.
    const text = JSON.stringify(data);
    const source = map?.getSource<GeoJSONSource>(name);
    if (!source || drawn.current.get(name) === text) return;
    drawn.current.set(name, text);
    void source.setData(data);
  };
  useEffect(() => put('zones', zoneFeatures(zones)), [map, dressed, zones]);
  useEffect(() => put('bays', bayFeatures(bays)), [map, dressed, bays]);
  useEffect(() => put('vehicles', vehicleFeatures(vehicles, selected?.id)), [map, dressed, vehicles, selected?.id]);
  useEffect(() => put('selected', chosenFeature(selected)), [map, dressed, selected]);
  useEffect(() => put('me', ownFeature(me)), [map, dressed, me]);
}

/** Looks where it matters: at the chosen vehicle, at the rider, at another city. */
function useCamera(map: LibreMap | undefined, current: { current: Current }, { covered, home, me, selected }: CityMapProps): void {
  useEffect(() => {
    map?.easeTo({ padding: { top: 0, right: 0, bottom: covered.bottom, left: covered.left }, duration: 0 });
  }, [map, covered.bottom, covered.left]);

  const firstHome = useRef(home);
  useEffect(() => {
    if (firstHome.current === home) return;
    firstHome.current = home;
    map?.jumpTo({ center: [home.lon, home.lat], zoom: 14 });
  }, [map, home]);

  const chosenId = selected?.id;
  useEffect(() => {
    const chosen = current.current.props.selected;
    if (!map || !chosenId || !chosen) return;
    map.easeTo({ center: [chosen.position.lon, chosen.position.lat], zoom: Math.max(map.getZoom(), 15.2), duration: current.current.still ? 0 : 600 });
  }, [map, current, chosenId]);

  useEffect(() => {
    if (map && me) map.easeTo({ center: [me.lon, me.lat], zoom: Math.max(map.getZoom(), 15), duration: current.current.still ? 0 : 600 });
  }, [map, current, me]);
}

export function CityMap(props: CityMapProps) {
  const { styleUrl } = props;
  const { palette, reducedMotion } = useTheme();
  const { t } = useLanguage();
  const current = useRef<Current>({ props, dark: palette.dark, still: reducedMotion });
  current.current = { props, dark: palette.dark, still: reducedMotion };
  const { frame, map, dressed } = useLibreMap(current, t('map.label'));
  useMapData(map, dressed, props);
  useCamera(map, current, props);

  const styleKey = styleUrl ?? (palette.dark ? 'dark' : 'light');
  const shownStyle = useRef<string>(undefined);
  useEffect(() => {
    if (map && shownStyle.current !== undefined && shownStyle.current !== styleKey) map.setStyle(styleUrl ?? plainStyle(palette.dark), { diff: false });
    shownStyle.current = styleKey;
  }, [map, styleKey, styleUrl, palette.dark]);

  return <div ref={frame} style={{ position: 'absolute', inset: 0 }} data-map-ready={dressed > 0} />;
}
