/** Finding a vehicle: the list beside the map, with filters. The list holds what the map shows. */
import { useEffect, useMemo, useState } from 'react';
import { StyleSheet, View } from 'react-native';
import { useLocation } from 'wouter';
import { useOpenBookings } from '../api/queries';
import { CityPicker } from '../components/CityPicker';
import { FilterPanel } from '../components/FilterPanel';
import { OpenRideCard } from '../components/OpenRideCard';
import { TypePicker } from '../components/TypePicker';
import { VehicleRow } from '../components/VehicleRow';
import { Button, IconButton } from '../design/Button';
import { Empty, Loading } from '../design/Surface';
import { Text } from '../design/Text';
import { space } from '../design/theme';
import { byDistance, countFilters, noFilters } from '../domain/filters';
import { useLanguage } from '../i18n/language';
import { useCity } from '../map/city';
import { Frame } from '../navigation/Shell';

const rowsAtOnce = 15;

function Results() {
  const { t } = useLanguage();
  const [, go] = useLocation();
  const { vehicles, origin, metresTo, stream, setFilters, everyVehicle } = useCity();
  const [shown, setShown] = useState(rowsAtOnce);
  const nearest = useMemo(() => byDistance(vehicles, origin), [vehicles, origin]);
  if (stream === 'connecting' && everyVehicle.length === 0) return <Loading label={t('common.loading')} />;
  if (nearest.length === 0) {
    return <Empty icon="map-pin" title={t('explore.empty.title')} body={t('explore.empty.body')} action={{ title: t('explore.empty.action'), onPress: () => setFilters(noFilters) }} />;
  }
  return (
    <View style={styles.list}>
      <View role="list" aria-label={t('explore.title')} style={styles.list}>
        {nearest.slice(0, shown).map(({ vehicle }) => (
          <View role="listitem" key={vehicle.id}>
            <VehicleRow vehicle={vehicle} metres={metresTo(vehicle.position)} onPress={() => go(`/vehicles/${encodeURIComponent(vehicle.id)}`)} />
          </View>
        ))}
      </View>
      {nearest.length > shown && <Button kind="secondary" title={t('common.more')} onPress={() => setShown(shown + rowsAtOnce)} />}
    </View>
  );
}

export function ExploreScreen() {
  const { t, count } = useLanguage();
  const { select, filters, vehicles } = useCity();
  const [filtersOpen, setFiltersOpen] = useState(false);
  const open = useOpenBookings();
  const active = countFilters(filters);

  useEffect(() => select(undefined), [select]);

  return (
    <Frame
      overMap
      resizable
      title={t('explore.title')}
      aside={<IconButton name="sliders-horizontal" label={active > 0 ? `${t('filters.title')}, ${count('filters.active', active)}` : t('filters.title')} selected={filtersOpen} onPress={() => setFiltersOpen(!filtersOpen)} />}
    >
      {open.map((booking) => (
        <OpenRideCard key={booking.id} booking={booking} />
      ))}
      <TypePicker />
      {filtersOpen && <FilterPanel />}
      <View style={styles.between}>
        <View role="status">
          <Text variant="small" tone="muted" tabular>
            {t('explore.count.context', { vehicles: count('explore.count', vehicles.length) })}
          </Text>
        </View>
        <CityPicker />
      </View>
      <Results />
    </Frame>
  );
}

const styles = StyleSheet.create({
  list: { gap: space.small },
  between: { flexDirection: 'row', alignItems: 'center', justifyContent: 'space-between', flexWrap: 'wrap', gap: space.small },
});
