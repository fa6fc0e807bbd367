/** The city map in a browser, drawn by MapLibre. */
import 'maplibre-gl/dist/maplibre-gl.css';
import type { GeoJSONSource, Map as LibreMap } from 'maplibre-gl';
import { useEffect, useRef, useState } from 'react';
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

function listen(map: LibreMap, handlers: { current: CityMapProps }, still: () => boolean): void {
  map.on('moveend', () => handlers.current.onView(viewOf(map)));
  map.on('click', (event) => {
    const reach = 6;
    const { x, y } = event.point;
    const [hit] = map.queryRenderedFeatures([[x - reach, y - reach], [x + reach, y + reach]], { layers: ['vehicle', 'cluster'] });
    if (!hit) {
      handlers.current.onSelect(undefined);
      return;
    }
    const { id, cluster_id: clusterId } = hit.properties as { id?: string; cluster_id?: number };
    if (id !== undefined) handlers.current.onSelect(id);
    else if (clusterId !== undefined && hit.geometry.type === 'Point') {
      const [lng = 0, lat = 0] = hit.geometry.coordinates;
      const source = map.getSource<GeoJSONSource>('vehicles');
      void source?.getClusterExpansionZoom(clusterId).then((zoom) => map.easeTo({ center: [lng, lat], zoom: zoom + 0.2, duration: still() ? 0 : 450 }));
    }
  });
  for (const layer of ['vehicle', 'cluster']) {
    map.on('mouseenter', layer, () => (map.getCanvas().style.cursor = 'pointer'));
    map.on('mouseleave', layer, () => (map.getCanvas().style.cursor = ''));
  }
}

export function CityMap(props: CityMapProps) {
  const { home, vehicles, zones, bays, selected, me, styleUrl, covered } = props;
  const { palette, reducedMotion } = useTheme();
  const { t } = useLanguage();
  const frame = useRef<HTMLDivElement>(null);
  const handlers = useRef(props);
  handlers.current = props;
  const darkNow = useRef(palette.dark);
  darkNow.current = palette.dark;
  const stillNow = useRef(reducedMotion);
  stillNow.current = reducedMotion;
  const [map, setMap] = useState<LibreMap>();
  /** Counts the styles that were dressed, so that data is put into each. */
  const [dressed, setDressed] = useState(0);
  const title = t('map.label');

  useEffect(() => {
    const container = frame.current;
    if (!container) return undefined;
    if (!canDraw()) {
      handlers.current.onUnavailable();
      return undefined;
    }
    let created: LibreMap | undefined;
    let stopped = false;
    const start = async (): Promise<void> => {
      const { Map: LibreMapClass } = await loadLibrary();
      if (stopped) return;
      const { home: middle, styleUrl: style } = handlers.current;
      created = new LibreMapClass({
        container,
        style: style ?? plainStyle(darkNow.current),
        center: [middle.lon, middle.lat],
        zoom: 14,
        minZoom: 4,
        maxZoom: 19,
        attributionControl: style ? { compact: true } : false,
        dragRotate: false,
        pitchWithRotate: false,
        locale: { 'Map.Title': title },
      });
      created.touchZoomRotate.disableRotation();
      const current = created;
      current.setMissingStyleImageResolver((id) => {
        const picture = paintImage(id, darkNow.current);
        if (picture && !current.hasImage(id)) current.addImage(id, picture, { pixelRatio: imageRatio });
      });
      current.on('style.load', () => {
        dress(current, darkNow.current, handlers.current.styleUrl !== undefined);
        setDressed((count) => count + 1);
      });
      listen(current, handlers, () => stillNow.current);
      handlers.current.onZoomable((steps) => current.zoomTo(current.getZoom() + steps, { duration: stillNow.current ? 0 : 250 }));
      current.once('load', () => handlers.current.onView(viewOf(current)));
      setMap(current);
    };
    start().catch(() => handlers.current.onUnavailable());
    return () => {
      stopped = true;
      created?.remove();
      setMap(undefined);
    };
  }, [title]);

  const styleKey = styleUrl ?? (palette.dark ? 'dark' : 'light');
  const shownStyle = useRef<string>(undefined);
  useEffect(() => {
    if (!map) {
      shownStyle.current = styleKey;
      return;
    }
    if (shownStyle.current === styleKey) return;
    shownStyle.current = styleKey;
    map.setStyle(styleUrl ?? plainStyle(palette.dark), { diff: false });
  }, [map, styleKey, styleUrl, palette.dark]);

  const put = (name: SourceName, data: ReturnType<typeof zoneFeatures>): void => {
    void map?.getSource<GeoJSONSource>(name)?.setData(data);
  };
  useEffect(() => put('zones', zoneFeatures(zones)), [map, dressed, zones]);
  useEffect(() => put('bays', bayFeatures(bays)), [map, dressed, bays]);
  useEffect(() => put('vehicles', vehicleFeatures(vehicles, selected?.id)), [map, dressed, vehicles, selected?.id]);
  useEffect(() => put('selected', chosenFeature(selected)), [map, dressed, selected]);
  useEffect(() => put('me', ownFeature(me)), [map, dressed, me]);

  useEffect(() => {
    map?.easeTo({ padding: { top: 0, right: 0, bottom: covered.bottom, left: covered.left }, duration: 0 });
  }, [map, covered.bottom, covered.left]);

  const firstHome = useRef(home);
  useEffect(() => {
    if (firstHome.current === home) return;
    firstHome.current = home;
    map?.jumpTo({ center: [home.lon, home.lat], zoom: 14 });
  }, [map, home]);

  const selectedId = selected?.id;
  useEffect(() => {
    const chosen = handlers.current.selected;
    if (!map || !selectedId || !chosen) return;
    map.easeTo({ center: [chosen.position.lon, chosen.position.lat], zoom: Math.max(map.getZoom(), 15.2), duration: stillNow.current ? 0 : 600 });
  }, [map, selectedId]);

  useEffect(() => {
    if (map && me) map.easeTo({ center: [me.lon, me.lat], zoom: Math.max(map.getZoom(), 15), duration: stillNow.current ? 0 : 600 });
  }, [map, me]);

  return <div ref={frame} style={{ position: 'absolute', inset: 0 }} data-map-ready={dressed > 0} />;
}
