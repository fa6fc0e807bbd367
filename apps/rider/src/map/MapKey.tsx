/** What the signs on the map mean: behind a button, so that it covers nothing. */
import { useState } from 'react';
import { StyleSheet, View } from 'react-native';
import { IconButton } from '../design/Button';
import { Text } from '../design/Text';
import { corner, space, usePalette } from '../design/theme';
import { useLanguage } from '../i18n/language';
import type { MessageKey } from '../i18n/translate';
import { mapColours } from './plainStyle';

export function MapKey() {
  const [open, setOpen] = useState(false);
  const { t } = useLanguage();
  const palette = usePalette();
  const colours = mapColours(palette.dark);
  const entries: { name: MessageKey; colour: string; outline?: string }[] = [
    { name: 'map.legend.bay', colour: palette.dark ? '#8DA398' : '#4D665A' },
    { name: 'map.legend.charger', colour: '#0B5D43' },
    { name: 'map.legend.busy', colour: `${colours.busy}66`, outline: colours.busy },
    { name: 'map.legend.calm', colour: `${colours.calm}55`, outline: colours.calm },
    { name: 'map.legend.noParking', colour: `${colours.forbidden}33`, outline: colours.forbidden },
    { name: 'map.legend.area', colour: colours.land, outline: colours.edge },
  ];
  return (
    <>
      {open && (
        <View role="group" aria-label={t('map.legend')} style={[styles.key, { backgroundColor: palette.surface, boxShadow: palette.shadow }]}>
          {entries.map(({ name, colour, outline }) => (
            <View key={name} style={styles.entry}>
              <View style={[styles.swatch, { backgroundColor: colour, borderColor: outline ?? colour }]} />
              <Text variant="small">{t(name)}</Text>
            </View>
          ))}
        </View>
      )}
      <IconButton raised name="info" label={t('map.legend')} selected={open} onPress={() => setOpen(!open)} />
    </>
  );
}

const styles = StyleSheet.create({
  key: { padding: space.large, borderRadius: corner.large, gap: space.small },
  entry: { flexDirection: 'row', alignItems: 'center', gap: space.medium },
  swatch: { width: 20, height: 20, borderRadius: 6, borderWidth: 1.5 },
});
