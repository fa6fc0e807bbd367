import { Pressable, StyleSheet, View } from 'react-native';
import { useLocation } from 'wouter';
import type { Booking } from '../api/contract';
import { Icon } from '../design/Icon';
import { Text } from '../design/Text';
import { corner, space, usePalette } from '../design/theme';
import { vehicleIcons } from '../design/vehicleIcons';
import { bookingStep } from '../domain/booking';
import { useLanguage } from '../i18n/language';
import type { MessageKey } from '../i18n/translate';

function sentenceOf(booking: Booking): MessageKey {
  switch (bookingStep(booking, Date.now())) {
    case 'riding':
      return 'ride.banner.riding';
    case 'paused':
      return 'ride.banner.paused';
    case 'confirm-payment':
      return 'ride.banner.confirm';
    default:
      return 'ride.banner.reserved';
  }
}

/** The trip that waits for its rider: always first, wherever they look for vehicles. */
export function OpenRideCard({ booking }: { booking: Booking }) {
  const { t } = useLanguage();
  const palette = usePalette();
  const [, go] = useLocation();
  const sentence = t(sentenceOf(booking), { model: booking.model });
  return (
    <Pressable role="link" onPress={() => go(`/bookings/${booking.id}`)} style={({ pressed }) => [styles.card, { backgroundColor: palette.live }, pressed && styles.pressed]}>
      <View style={[styles.tile, { backgroundColor: palette.spark }]}>
        <Icon name={vehicleIcons[booking.vehicleType]} color={palette.onSpark} size={24} />
      </View>
      <View style={styles.words}>
        <Text variant="label" tone="onLive">
          {sentence}
        </Text>
        <Text variant="small" tone="onLiveMuted">
          {t('ride.banner.open')}
        </Text>
      </View>
      <Icon name="chevron-right" color={palette.onLive} />
    </Pressable>
  );
}

const styles = StyleSheet.create({
  card: { flexDirection: 'row', alignItems: 'center', gap: space.medium, padding: space.medium, borderRadius: corner.large },
  pressed: { opacity: 0.9 },
  tile: { width: 48, height: 48, borderRadius: corner.medium, alignItems: 'center', justifyContent: 'center' },
  words: { flex: 1 },
});
