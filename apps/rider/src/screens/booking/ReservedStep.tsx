/** The vehicle is held: get there, open it, or give it back. */
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { StyleSheet, View } from 'react-native';
import type { Booking, VehicleDetails } from '../../api/contract';
import { useChange, useKeepBooking } from '../../api/queries';
import { presentByHttp, type UnlockStage, unlockVehicle } from '../../api/unlock';
import { CountdownRing } from '../../components/CountdownRing';
import { Button } from '../../design/Button';
import { Fact, Notice } from '../../design/Surface';
import { Text } from '../../design/Text';
import { space } from '../../design/theme';
import { walkingMinutes } from '../../domain/distance';
import { useLanguage } from '../../i18n/language';
import { useCity } from '../../map/city';
import { Frame } from '../../navigation/Shell';
import { useApi } from '../../session/session';

function useUnlock(booking: Booking) {
  const api = useApi();
  const keep = useKeepBooking();
  const [stage, setStage] = useState<UnlockStage>();
  const unlock = useMutation({
    mutationFn: () =>
      unlockVehicle(booking.id, {
        api,
        present: presentByHttp,
        wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
        onStage: setStage,
      }),
    onSuccess: keep,
    onSettled: () => setStage(undefined),
  });
  return { unlock, stage };
}

interface ReservedStepProps {
  booking: Booking;
  vehicle: VehicleDetails | undefined;
  nowMs: number;
}

export function ReservedStep({ booking, vehicle, nowMs }: ReservedStepProps) {
  const { t, time, failure, distance } = useLanguage();
  const { metresTo } = useCity();
  const keep = useKeepBooking();
  const cancel = useChange('cancel', keep);
  const { unlock, stage } = useUnlock(booking);
  const [asking, setAsking] = useState(false);
  const waiting = booking.fixedTime && Date.parse(booking.startsAt) > nowMs;
  const target = Date.parse(waiting ? booking.startsAt : booking.reservedUntil);
  const begin = Date.parse(booking.createdAt);
  const metres = vehicle && metresTo(vehicle.position);
  const error = unlock.error ?? cancel.error;

  const actions = asking ? (
    <>
      <Text variant="label" align="center">
        {t('booking.cancel.confirm')}
      </Text>
      <Button kind="danger" title={t('booking.cancel.yes')} busy={cancel.isPending} onPress={() => cancel.mutate({ params: { bookingId: booking.id } })} />
      <Button kind="secondary" title={t('booking.cancel.no')} onPress={() => setAsking(false)} />
    </>
  ) : (
    <>
      {!waiting && <Button kind="spark" icon="lock-open" title={t(stage === 'near' ? 'booking.unlocking.near' : stage === 'far' ? 'booking.unlocking.far' : 'booking.unlock')} busy={unlock.isPending} onPress={() => unlock.mutate()} />}
      <Button kind="quiet" title={t('booking.cancel')} disabled={unlock.isPending} onPress={() => setAsking(true)} />
    </>
  );
  return (
    <Frame
      overMap
      title={t(waiting ? 'booking.waiting.title' : 'booking.reserved.title')}
      back="/"
      footer={
        <>
          {error && (
            <Notice kind="bad" urgent>
              {failure(error)}
            </Notice>
          )}
          {actions}
        </>
      }
    >
      <CountdownRing leftMs={target - nowMs} wholeMs={target - begin} label={t(waiting ? 'booking.waiting.in' : 'booking.reserved.left')} />
      <View style={styles.facts}>
        <Fact icon="lock" label={t(`type.${booking.vehicleType}`)} value={booking.model} />
        {metres !== undefined && <Fact icon="footprints" label={distance(metres)} value={t('common.minutes', { count: walkingMinutes(metres) })} />}
        {vehicle && <Fact icon="battery-medium" label={t('vehicle.battery')} value={t('unit.percent', { count: Math.round(vehicle.batteryPercent) })} />}
      </View>
      {booking.fixedTime && <Notice icon="calendar-clock">{t('booking.fixed', { from: time(booking.startsAt), to: time(booking.endsAt) })}</Notice>}
      {!waiting && (
        <Text variant="small" tone="muted" align="center">
          {t('booking.reserved.until', { time: time(booking.reservedUntil) })}. {t('booking.unlock.hint')}
        </Text>
      )}
    </Frame>
  );
}

const styles = StyleSheet.create({ facts: { flexDirection: 'row', gap: space.small } });
