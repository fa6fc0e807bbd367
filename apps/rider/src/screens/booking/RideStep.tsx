/** A ride in progress: what it costs so far, pause, end. */
import { useQueryClient } from '@tanstack/react-query';
import { StyleSheet, View } from 'react-native';
import { useLocation } from 'wouter';
import type { Booking, VehicleDetails } from '../../api/contract';
import { useChange, useKeepBooking } from '../../api/queries';
import { Button } from '../../design/Button';
import { Icon } from '../../design/Icon';
import type { IconName } from '../../design/iconShapes';
import { Notice } from '../../design/Surface';
import { Text } from '../../design/Text';
import { corner, space, usePalette } from '../../design/theme';
import { formatStopwatch } from '../../domain/duration';
import { liveCostMinor } from '../../domain/liveCost';
import { useLanguage } from '../../i18n/language';
import { Frame } from '../../navigation/Shell';

function Reading({ icon, label, value }: { icon: IconName; label: string; value: string }) {
  const palette = usePalette();
  return (
    <View style={styles.reading}>
      <Icon name={icon} size={20} color={palette.spark} />
      <Text variant="label" tone="onLive" tabular>
        {value}
      </Text>
      <Text variant="tiny" tone="onLiveMuted">
        {label}
      </Text>
    </View>
  );
}

interface RideStepProps {
  booking: Booking;
  vehicle: VehicleDetails | undefined;
  nowMs: number;
}

export function RideStep({ booking, vehicle, nowMs }: RideStepProps) {
  const { t, money, distance, time, failure } = useLanguage();
  const palette = usePalette();
  const queries = useQueryClient();
  const [, go] = useLocation();
  const keep = useKeepBooking();
  const pause = useChange('pause', keep);
  const resume = useChange('resume', keep);
  const paused = booking.state === 'paused';
  const answeredAt = queries.getQueryState(['booking', booking.id])?.dataUpdatedAt ?? nowMs;
  const cost = liveCostMinor(booking, vehicle?.tariff, answeredAt, nowMs);
  const late = booking.fixedTime && Date.parse(booking.endsAt) < nowMs;
  const pausePrice = vehicle?.tariff.pausePerMinuteMinor;
  // Also while it is tried again: the rider should know what to do.
  const error = pause.failureReason ?? resume.failureReason;
  const params = { bookingId: booking.id };
  return (
    <Frame
      overMap
      title={t(paused ? 'ride.paused' : 'ride.title')}
      back="/"
      footer={
        <>
          {error && (
            <Notice kind="bad" urgent>
              {failure(error)}
            </Notice>
          )}
          <View style={styles.actions}>
            {paused ? (
              <Button grow kind="secondary" icon="play" title={t('ride.resume')} busy={resume.isPending} onPress={() => resume.mutate({ params })} />
            ) : (
              <Button grow kind="secondary" icon="pause" title={t('ride.pause')} busy={pause.isPending} onPress={() => pause.mutate({ params })} />
            )}
            <Button grow icon="flag" title={t('ride.end')} onPress={() => go(`/bookings/${booking.id}/end`)} />
          </View>
        </>
      }
    >
      <View style={[styles.live, { backgroundColor: palette.live }]}>
        <View style={styles.top}>
          <View style={[styles.dot, { backgroundColor: paused ? '#FFC46B' : palette.spark }]} />
          <Text variant="strong" tone="onLiveMuted" numberOfLines={1} style={styles.grow}>
            {booking.model}
          </Text>
        </View>
        <View>
          <Text variant="strong" tone="onLiveMuted">
            {t('ride.cost')}
          </Text>
          <Text variant="figure" tone="spark">
            {money(cost, booking.price.currency)}
          </Text>
        </View>
        <View style={styles.readings}>
          <Reading icon="clock" label={t('ride.time')} value={formatStopwatch(booking.startedAt ? nowMs - Date.parse(booking.startedAt) : 0)} />
          <Reading icon="route" label={t('ride.distance')} value={distance(booking.distanceMetres ?? 0)} />
          <Reading icon="battery-medium" label={t('ride.battery')} value={vehicle ? t('unit.percent', { count: Math.round(vehicle.batteryPercent) }) : '–'} />
        </View>
      </View>
      {paused && pausePrice !== undefined && <Notice icon="pause">{t('ride.pause.price', { amount: money(pausePrice, booking.price.currency) })}</Notice>}
      {booking.fixedTime && (
        <Notice kind={late ? 'bad' : 'info'} icon="calendar-clock">
          {late ? t('ride.late') : t('ride.until', { time: time(booking.endsAt) })}
        </Notice>
      )}
    </Frame>
  );
}

const styles = StyleSheet.create({
  grow: { flex: 1 },
  live: { borderRadius: corner.sheet, padding: space.huge, gap: space.large },
  top: { flexDirection: 'row', alignItems: 'center', gap: space.small },
  dot: { width: 10, height: 10, borderRadius: 5 },
  readings: { flexDirection: 'row', gap: space.small },
  reading: { flex: 1, gap: 2 },
  actions: { flexDirection: 'row', gap: space.small },
});
