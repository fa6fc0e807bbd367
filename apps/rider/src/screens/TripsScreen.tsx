/** What was ridden before, and what it cost. */
import { Pressable, StyleSheet, View } from 'react-native';
import { useLocation } from 'wouter';
import type { Booking } from '../api/contract';
import { useBookings } from '../api/queries';
import { OpenRideCard } from '../components/OpenRideCard';
import { Button } from '../design/Button';
import { Icon } from '../design/Icon';
import { Empty, Loading, Notice } from '../design/Surface';
import { Text } from '../design/Text';
import { corner, space, usePalette } from '../design/theme';
import { vehicleIcons } from '../design/vehicleIcons';
import { isOpen } from '../domain/booking';
import { useLanguage } from '../i18n/language';
import { Frame } from '../navigation/Shell';

function Trip({ booking }: { booking: Booking }) {
  const { t, money, time, distance, minutes } = useLanguage();
  const palette = usePalette();
  const [, go] = useLocation();
  const state = t(`state.${booking.state}`);
  const when = time(booking.startedAt ?? booking.createdAt);
  const ridden = booking.startedAt && booking.endedAt ? (Date.parse(booking.endedAt) - Date.parse(booking.startedAt)) / 60_000 : undefined;
  const facts = [when, ridden !== undefined && minutes(Math.max(1, ridden)), booking.distanceMetres !== null && ridden !== undefined && distance(booking.distanceMetres)].filter(Boolean).join(' · ');
  const costs = booking.state === 'charged' || booking.state === 'ended';
  return (
    <Pressable
      role="link"
      onPress={() => go(`/bookings/${booking.id}`)}
      style={({ pressed }) => [styles.trip, { backgroundColor: palette.surface, borderColor: palette.line }, pressed && { backgroundColor: palette.sunken }]}
    >
      <View role="img" aria-label={t(`type.${booking.vehicleType}`)} style={[styles.tile, { backgroundColor: palette.sunken }]}>
        <Icon name={vehicleIcons[booking.vehicleType]} size={24} />
      </View>
      <View style={styles.words}>
        <Text variant="label" numberOfLines={1}>
          {booking.model}
        </Text>
        <Text variant="small" tone="muted" numberOfLines={1}>
          {facts}
        </Text>
      </View>
      <View style={styles.end}>
        {costs && (
          <Text variant="label" tabular>
            {money(booking.price.totalMinor, booking.price.currency)}
          </Text>
        )}
        <Text variant="tiny" tone={booking.state === 'charged' ? 'good' : 'muted'}>
          {state}
        </Text>
      </View>
    </Pressable>
  );
}

export function TripsScreen() {
  const { t, failure } = useLanguage();
  const [, go] = useLocation();
  const bookings = useBookings();
  const all = bookings.data?.items ?? [];
  const past = all.filter((booking) => !isOpen(booking));
  return (
    <Frame title={t('trips.title')}>
      {all.filter(isOpen).map((booking) => (
        <OpenRideCard key={booking.id} booking={booking} />
      ))}
      {bookings.isPending && <Loading label={t('common.loading')} />}
      {bookings.isError && (
        <>
          <Notice kind="bad" urgent>
            {failure(bookings.error)}
          </Notice>
          <Button kind="secondary" title={t('common.retry')} onPress={() => void bookings.refetch()} />
        </>
      )}
      {bookings.isSuccess && all.length === 0 && <Empty icon="route" title={t('trips.empty.title')} body={t('trips.empty.body')} action={{ title: t('trips.empty.action'), onPress: () => go('/') }} />}
      {past.length > 0 && (
        <View role="list" aria-label={t('trips.title')} style={styles.list}>
          {past.map((booking) => (
            <View role="listitem" key={booking.id}>
              <Trip booking={booking} />
            </View>
          ))}
        </View>
      )}
    </Frame>
  );
}

const styles = StyleSheet.create({
  list: { gap: space.small },
  trip: { flexDirection: 'row', alignItems: 'center', gap: space.medium, padding: space.medium, borderRadius: corner.large, borderWidth: 1, minHeight: 76 },
  tile: { width: 48, height: 48, borderRadius: corner.medium, alignItems: 'center', justifyContent: 'center' },
  words: { flex: 1, minWidth: 0, gap: 2 },
  end: { alignItems: 'flex-end', gap: 2 },
});
