/** The map with what floats over it: position and zoom buttons, the key. */
import { useCallback, useRef, useState } from 'react';
import { StyleSheet, View } from 'react-native';
import { useLocation } from 'wouter';
import { useAppConfiguration } from '../api/queries';
import { IconButton } from '../design/Button';
import { Notice } from '../design/Surface';
import { corner, space, useTheme } from '../design/theme';
import { useLanguage } from '../i18n/language';
import { useCity } from './city';
import { CityMap } from './CityMap';
import { MapKey } from './MapKey';

export function MapStage() {
  const { t } = useLanguage();
  const { wide, palette } = useTheme();
  const [path, go] = useLocation();
  const city = useCity();
  const configuration = useAppConfiguration();
  const [locateFailed, setLocateFailed] = useState(false);

  const select = useCallback(
    (vehicleId: string | undefined) => {
      if (vehicleId) go(`/vehicles/${encodeURIComponent(vehicleId)}`);
      else if (path.startsWith('/vehicles/')) go('/');
    },
    [go, path],
  );

  const zoom = useRef<(steps: number) => void>(undefined);
  const keepZoom = useCallback((zoomBy: (steps: number) => void) => {
    zoom.current = zoomBy;
  }, []);
  const locate = async (): Promise<void> => setLocateFailed(!(await city.locate()));

  return (
    <View style={[styles.stage, { backgroundColor: palette.sunken }]} role="region" aria-label={t('map.area')}>
      {configuration.ready && city.mapAvailable && city.city && (
        <CityMap
          home={city.home}
          vehicles={city.vehicles}
          zones={city.zones}
          bays={city.bays}
          selected={city.selected}
          me={city.me}
          styleUrl={configuration.mapStyleUrl}
          covered={{ bottom: city.coveredBottom, left: 0 }}
          onSelect={select}
          onView={city.setView}
          onZoomable={keepZoom}
          onUnavailable={city.setMapUnavailable}
        />
      )}
      {!city.mapAvailable && (
        <View style={styles.message}>
          <Notice>{t('explore.noMap')}</Notice>
        </View>
      )}
      <View style={[styles.controls, wide ? styles.controlsWide : { bottom: city.coveredBottom + space.large }]}>
        {locateFailed && (
          <View style={styles.note}>
            <Notice kind="warn" urgent>
              {t('explore.locate.failed')}
            </Notice>
          </View>
        )}
        {city.mapAvailable && (
          <>
            <MapKey />
            <View style={[styles.zoom, { backgroundColor: palette.surface, boxShadow: palette.shadow }]}>
              <IconButton name="plus" label={t('map.zoomIn')} onPress={() => zoom.current?.(1)} />
              <IconButton name="minus" label={t('map.zoomOut')} onPress={() => zoom.current?.(-1)} />
            </View>
          </>
        )}
        <IconButton raised name="locate-fixed" label={t('explore.locate')} onPress={() => void locate()} />
      </View>
    </View>
  );
}

const styles = StyleSheet.create({
  stage: { position: 'absolute', top: 0, right: 0, bottom: 0, left: 0, overflow: 'hidden' },
  message: { position: 'absolute', top: space.huge, left: space.large, right: space.large, maxWidth: 460, marginHorizontal: 'auto' },
  controls: { position: 'absolute', right: space.large, gap: space.small, alignItems: 'flex-end' },
  controlsWide: { bottom: space.huge, right: space.huge },
  zoom: { borderRadius: corner.round },
  note: { width: 260 },
});
