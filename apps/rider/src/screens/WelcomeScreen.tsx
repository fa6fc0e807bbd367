/** What a visitor sees first: what this is, and the way in. */
import { useEffect, useState } from 'react';
import { ScrollView, StyleSheet, View } from 'react-native';
import { useSafeAreaInsets } from 'react-native-safe-area-context';
import { useLocation } from 'wouter';
import { CityArt } from '../components/CityArt';
import { LanguageSwitch } from '../components/LanguageSwitch';
import { Button } from '../design/Button';
import { Icon } from '../design/Icon';
import type { IconName } from '../design/iconShapes';
import { Notice } from '../design/Surface';
import { Text } from '../design/Text';
import { corner, space, useTheme } from '../design/theme';
import { useLanguage } from '../i18n/language';
import type { MessageKey } from '../i18n/translate';
import { useSession } from '../session/session';

const points: readonly { icon: IconName; name: MessageKey }[] = [
  { icon: 'map-pin', name: 'welcome.point.live' },
  { icon: 'receipt-text', name: 'welcome.point.price' },
  { icon: 'zap', name: 'welcome.point.green' },
];

export function WelcomeScreen() {
  const { t, locale, failure } = useLanguage();
  const { wide, palette } = useTheme();
  const { signIn } = useSession();
  const [, go] = useLocation();
  const insets = useSafeAreaInsets();
  const [leaving, setLeaving] = useState(false);
  const [error, setError] = useState<unknown>();

  useEffect(() => {
    if (typeof document !== 'undefined') document.title = t('app.name');
  }, [t]);

  const begin = (): void => {
    setLeaving(true);
    signIn(locale).catch((reason: unknown) => {
      setError(reason);
      setLeaving(false);
    });
  };

  return (
    <View role="main" style={[styles.screen, wide && styles.row, { backgroundColor: palette.ground }]}>
      <View style={wide ? styles.artWide : styles.art}>
        <CityArt />
        <View style={[styles.brand, { top: insets.top + space.large }]}>
          <Icon name="zap" size={22} color="#C8F25C" filled />
          <Text variant="heading" tone="onLive">
            {t('app.name')}
          </Text>
        </View>
      </View>
      <ScrollView style={[styles.side, { backgroundColor: palette.ground }, !wide && styles.lifted]} contentContainerStyle={[styles.content, wide && styles.contentWide, { paddingBottom: insets.bottom + space.huge }]}>
        <Text variant="display" level={1}>
          {t('welcome.title')}
        </Text>
        <Text tone="muted">{t('welcome.body')}</Text>
        <View style={styles.points}>
          {points.map(({ icon, name }) => (
            <View key={name} style={styles.point}>
              <Icon name={icon} size={20} color={palette.primary} />
              <Text variant="label">{t(name)}</Text>
            </View>
          ))}
        </View>
        {error !== undefined && (
          <Notice kind="bad" urgent>
            {failure(error)}
          </Notice>
        )}
        <View style={styles.actions}>
          <Button title={t('welcome.signUp')} onPress={() => go('/sign-up')} />
          <Button title={t('welcome.signIn')} kind="secondary" busy={leaving} onPress={begin} />
        </View>
        <LanguageSwitch />
      </ScrollView>
    </View>
  );
}

const styles = StyleSheet.create({
  screen: { flex: 1 },
  row: { flexDirection: 'row' },
  art: { height: '36%', minHeight: 200 },
  artWide: { flex: 1 },
  brand: { position: 'absolute', left: space.large, flexDirection: 'row', alignItems: 'center', gap: space.small },
  side: { flex: 1 },
  lifted: { marginTop: -corner.sheet, borderTopLeftRadius: corner.sheet, borderTopRightRadius: corner.sheet },
  content: { padding: space.huge, gap: space.large, flexGrow: 1 },
  contentWide: { justifyContent: 'center', maxWidth: 560, width: '100%', marginHorizontal: 'auto', padding: space.vast },
  points: { gap: space.medium, paddingVertical: space.hair },
  point: { flexDirection: 'row', alignItems: 'center', gap: space.medium },
  actions: { gap: space.small, marginTop: 'auto' },
});
