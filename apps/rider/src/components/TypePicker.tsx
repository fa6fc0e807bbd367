import { Pressable, StyleSheet, View } from 'react-native';
import type { VehicleType } from '../api/contract';
import { Icon } from '../design/Icon';
import type { IconName } from '../design/iconShapes';
import { Text } from '../design/Text';
import { corner, space, usePalette } from '../design/theme';
import { vehicleIcons, vehicleTypes } from '../design/vehicleIcons';
import { useLanguage } from '../i18n/language';
import { useCity } from '../map/city';

interface TileProps {
  icon: IconName;
  name: string;
  selected: boolean;
  onPress: () => void;
}

function Tile({ icon, name, selected, onPress }: TileProps) {
  const palette = usePalette();
  const colour = selected ? palette.surface : palette.ink;
  return (
    <Pressable role="radio" aria-checked={selected} aria-label={name} onPress={onPress} style={({ pressed }) => [styles.tile, { backgroundColor: selected ? palette.ink : palette.sunken }, pressed && styles.pressed]}>
      <Icon name={icon} size={24} color={colour} />
      <Text variant="tiny" align="center" numberOfLines={1} style={{ color: colour }}>
        {name}
      </Text>
    </Pressable>
  );
}

/** Which kind of vehicle: five tiles of one width. */
export function TypePicker() {
  const { t } = useLanguage();
  const { filters, setFilters } = useCity();
  const choose = (type: VehicleType | undefined) => () => setFilters({ ...filters, type });
  return (
    <View role="radiogroup" aria-label={t('filters.type')} style={styles.tiles}>
      <Tile icon="zap" name={t('filters.type.all')} selected={filters.type === undefined} onPress={choose(undefined)} />
      {vehicleTypes.map((type) => (
        <Tile key={type} icon={vehicleIcons[type]} name={t(`type.${type}.short`)} selected={filters.type === type} onPress={choose(type)} />
      ))}
    </View>
  );
}

const styles = StyleSheet.create({
  tiles: { flexDirection: 'row', gap: space.small },
  tile: { flex: 1, minWidth: 0, minHeight: 66, borderRadius: corner.medium, alignItems: 'center', justifyContent: 'center', gap: 4, paddingHorizontal: 2 },
  pressed: { opacity: 0.85 },
});
