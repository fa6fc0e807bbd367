import { Pressable, StyleSheet, View } from 'react-native';
import type { Vehicle } from '../api/contract';
import { Icon } from '../design/Icon';
import { Text } from '../design/Text';
import { corner, space, usePalette } from '../design/theme';
import { vehicleIcons } from '../design/vehicleIcons';
import { walkingMinutes } from '../domain/distance';
import { useLanguage } from '../i18n/language';
import { BatteryMark } from './BatteryMark';

interface VehicleRowProps {
  vehicle: Vehicle;
  /** From the rider; undefined while nobody knows where the rider is. */
  metres: number | undefined;
  onPress: () => void;
}

/** One vehicle of the list: what it is, how far, how full, what it costs. */
export function VehicleRow({ vehicle, metres, onPress }: VehicleRowProps) {
  const { t, money, distance } = useLanguage();
  const palette = usePalette();
  const away = metres === undefined ? t('vehicle.rangeOf', { distance: distance(vehicle.rangeMetres) }) : metres < 3_000 ? t('vehicle.walk', { count: walkingMinutes(metres) }) : distance(metres);
  const price = money(vehicle.pricePerMinuteMinor, vehicle.currency);
  return (
    <Pressable
      role="link"
      onPress={onPress}
      style={({ pressed, hovered }: { pressed: boolean; hovered?: boolean }) => [styles.row, { backgroundColor: palette.surface, borderColor: hovered ? palette.outline : palette.line }, pressed && { backgroundColor: palette.sunken }]}
    >
      <View role="img" aria-label={t(`type.${vehicle.type}`)} style={[styles.tile, { backgroundColor: palette.sunken }]}>
        <Icon name={vehicleIcons[vehicle.type]} size={26} />
      </View>
      <View style={styles.middle}>
        <Text variant="label" numberOfLines={1}>
          {vehicle.model}
        </Text>
        <View style={styles.facts}>
          <BatteryMark percent={vehicle.batteryPercent} />
          <Text variant="small" tone="muted" tabular numberOfLines={1}>
            {Math.round(vehicle.batteryPercent)} % · {away}
          </Text>
        </View>
      </View>
      <View style={styles.price}>
        <Text variant="label" tabular align="right">
          {price}
        </Text>
        <Text variant="tiny" tone="muted" align="right">
          {t('common.perMinute')}
        </Text>
      </View>
    </Pressable>
  );
}

const styles = StyleSheet.create({
  row: { flexDirection: 'row', alignItems: 'center', gap: space.medium, padding: space.medium, borderRadius: corner.large, borderWidth: 1, minHeight: 76 },
  tile: { width: 52, height: 52, borderRadius: corner.medium, alignItems: 'center', justifyContent: 'center' },
  middle: { flex: 1, minWidth: 0, gap: 2 },
  facts: { flexDirection: 'row', alignItems: 'center', gap: 6 },
  price: { alignItems: 'flex-end' },
});
