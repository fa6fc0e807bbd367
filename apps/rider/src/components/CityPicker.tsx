import { useState } from 'react';
import { Pressable, StyleSheet, View } from 'react-native';
import { Choice } from '../design/Choice';
import { Icon } from '../design/Icon';
import { Text } from '../design/Text';
import { corner, space, usePalette } from '../design/theme';
import { useLanguage } from '../i18n/language';
import { useCity } from '../map/city';

/** Which city the map shows; nothing to pick where there is one. */
export function CityPicker() {
  const { t } = useLanguage();
  const palette = usePalette();
  const { cities, city, chooseCity } = useCity();
  const [open, setOpen] = useState(false);
  if (!city) return null;
  return (
    <>
      <Pressable
        role="button"
        aria-label={`${t('explore.city.choose')}: ${city.name}`}
        aria-expanded={open}
        onPress={() => setOpen(!open)}
        disabled={cities.length < 2}
        style={[styles.button, { backgroundColor: palette.sunken }]}
      >
        <Icon name="building-2" size={18} color={palette.muted} />
        <Text variant="strong">{city.name}</Text>
        {cities.length > 1 && <Icon name="chevron-down" size={18} color={palette.muted} />}
      </Pressable>
      {open && (
        <View style={styles.options}>
          <Choice
            label={t('explore.city.choose')}
            options={cities.map(({ id, name }) => ({ value: id, label: name }))}
            value={city.id}
            onChange={(chosen) => {
              chooseCity(chosen);
              setOpen(false);
            }}
          />
          {city.attribution && (
            <Text variant="tiny" tone="muted">
              {city.attribution}
            </Text>
          )}
        </View>
      )}
    </>
  );
}

const styles = StyleSheet.create({
  button: { flexDirection: 'row', alignItems: 'center', gap: 6, minHeight: 44, paddingHorizontal: space.medium, borderRadius: corner.round },
  options: { width: '100%', gap: space.small },
});
