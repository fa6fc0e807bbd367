import { onlineManager } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import { StyleSheet, View } from 'react-native';
import { Icon } from '../design/Icon';
import { Text } from '../design/Text';
import { space, usePalette } from '../design/theme';
import { useLanguage } from '../i18n/language';

const subscribe = (changed: () => void): (() => void) => onlineManager.subscribe(changed);
const isOnline = (): boolean => onlineManager.isOnline();

/** Above everything while the device has no network. */
export function OfflineBanner() {
  const online = useSyncExternalStore(subscribe, isOnline, isOnline);
  const { t } = useLanguage();
  const palette = usePalette();
  return (
    <View role="status" aria-live="polite">
      {!online && (
        <View style={[styles.banner, { backgroundColor: palette.warnGround }]}>
          <Icon name="wifi-off" size={18} color={palette.warn} />
          <Text variant="strong" tone="warn">
            {t('offline.banner')}
          </Text>
        </View>
      )}
    </View>
  );
}

const styles = StyleSheet.create({ banner: { flexDirection: 'row', gap: space.small, alignItems: 'center', justifyContent: 'center', padding: space.small } });
