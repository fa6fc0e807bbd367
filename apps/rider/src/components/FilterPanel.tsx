import { View, StyleSheet } from 'react-native';
import { Choice } from '../design/Choice';
import { Text } from '../design/Text';
import { space } from '../design/theme';
import { priceSteps } from '../domain/filters';
import { useLanguage } from '../i18n/language';
import { useCity } from '../map/city';

const batterySteps = [30, 50, 75];

/** Battery and price; the type has its own row of chips. */
export function FilterPanel() {
  const { t, money } = useLanguage();
  const { filters, setFilters, everyVehicle, city } = useCity();
  const currency = everyVehicle[0]?.currency ?? city?.currency ?? 'EUR';
  const ofType = everyVehicle.filter((vehicle) => filters.type === undefined || vehicle.type === filters.type);
  const steps = priceSteps(ofType);
  const prices = filters.maxPricePerMinuteMinor === undefined || steps.includes(filters.maxPricePerMinuteMinor) ? steps : [...steps, filters.maxPricePerMinuteMinor].sort((a, b) => a - b);
  return (
    <View style={styles.panel}>
      <View style={styles.group}>
        <Text variant="strong">{t('filters.battery')}</Text>
        <Choice
          label={t('filters.battery')}
          options={[{ value: undefined, label: t('filters.battery.any') }, ...batterySteps.map((percent) => ({ value: percent, label: t('unit.percent', { count: percent }) }))]}
          value={filters.minBatteryPercent}
          onChange={(minBatteryPercent) => setFilters({ ...filters, minBatteryPercent })}
        />
      </View>
      <View style={styles.group}>
        <Text variant="strong">{t('filters.price')}</Text>
        <Choice
          label={t('filters.price')}
          options={[{ value: undefined, label: t('filters.price.any') }, ...prices.map((price) => ({ value: price, label: money(price, currency) }))]}
          value={filters.maxPricePerMinuteMinor}
          onChange={(maxPricePerMinuteMinor) => setFilters({ ...filters, maxPricePerMinuteMinor })}
        />
      </View>
    </View>
  );
}

const styles = StyleSheet.create({ panel: { gap: space.large }, group: { gap: space.small } });
