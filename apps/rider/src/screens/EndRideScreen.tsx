/** Ending a ride: how the vehicle stands, a photo of it, and what the standing costs. */
import { useMutation } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Image, Pressable, StyleSheet, View } from 'react-native';
import { useLocation } from 'wouter';
import type { Booking, VehicleDetails } from '../api/contract';
import { useBooking, useChange, useKeepBooking } from '../api/queries';
import { type Photo, takePhoto } from '../components/photos';
import { useNow } from '../components/useNow';
import { Button, IconButton } from '../design/Button';
import { Icon } from '../design/Icon';
import { Loading, Notice } from '../design/Surface';
import { Text } from '../design/Text';
import { corner, space, usePalette } from '../design/theme';
import { expectedFines } from '../domain/tariff';
import { nearestBay, zonesAt } from '../domain/zones';
import { useLanguage } from '../i18n/language';
import { useCity } from '../map/city';
import { Frame } from '../navigation/Shell';
import { useApi } from '../session/session';
import { useBookedVehicle } from './BookingScreen';

/** What the rider has to expect from where the vehicle stands. The server judges by itself when the ride ends. */
function Standing({ booking, vehicle }: { booking: Booking; vehicle: VehicleDetails }) {
  const { t, money, distance } = useLanguage();
  const { bays, zones, city } = useCity();
  const now = useNow(10_000);
  const { currency, fines } = vehicle.tariff;
  const { pluggable } = vehicle.vehicleModel;
  const inBay = vehicle.bayId !== null;
  const forbidden = zonesAt(zones, 'no-parking', vehicle.type, vehicle.position).length > 0 && !inBay;
  const lateByMinutes = booking.fixedTime ? (now - Date.parse(booking.endsAt)) / 60_000 : 0;
  const expected = new Map(expectedFines({ inBay, baysOnly: city?.parking === 'bays-only', pluggedIn: vehicle.pluggedIn, pluggable, lateByMinutes }, fines).map(({ kind, amountMinor }) => [kind, amountMinor]));
  const parkingFine = expected.get('fine-parking');
  const plugFine = expected.get('fine-plug');
  const lateFine = expected.get('fine-late');
  const nearest = inBay ? undefined : nearestBay(bays, vehicle.type, vehicle.position);
  const bayName = bays.find(({ id }) => id === vehicle.bayId)?.name ?? t('end.bay.unnamed');
  return (
    <View style={styles.group}>
      <Text variant="heading" level={2}>
        {t('end.check')}
      </Text>
      {forbidden ? (
        <Notice kind="bad" urgent icon="octagon-x">
          {t('end.bay.forbidden')}
        </Notice>
      ) : (
        <Notice kind={parkingFine ? 'warn' : 'good'} icon="circle-parking">
          {inBay ? t('end.bay.ok', { bay: bayName }) : parkingFine ? t('end.bay.outside', { amount: money(parkingFine, currency) }) : t('end.bay.free')}
        </Notice>
      )}
      {nearest && (parkingFine !== undefined || forbidden) && (
        <Text variant="small" tone="muted">
          {t('end.bay.nearest', { bay: nearest.bay.name, distance: distance(nearest.metres) })}
        </Text>
      )}
      {pluggable && (
        <Notice kind={plugFine ? 'warn' : 'good'} icon="plug">
          {plugFine ? t('end.plug.missing', { amount: money(plugFine, currency) }) : t('end.plug.ok')}
        </Notice>
      )}
      {lateFine !== undefined && (
        <Notice kind="bad" icon="timer">
          {t('end.late', { amount: money(lateFine, currency) })}
        </Notice>
      )}
    </View>
  );
}

interface Kept {
  photo: Photo;
  id: string;
}

function Photos({ kept, busy, onAdd, onRemove }: { kept: readonly Kept[]; busy: boolean; onAdd: () => void; onRemove: (id: string) => void }) {
  const { t } = useLanguage();
  const palette = usePalette();
  return (
    <View style={styles.group}>
      <Text variant="heading" level={2}>
        {t('end.photo.title')}
      </Text>
      <Text tone="muted">{t('end.photo.body')}</Text>
      <View style={styles.photos}>
        {kept.map(({ photo, id }, index) => (
          <View key={id} style={styles.photo}>
            <View role="img" aria-label={t('end.photo.alt', { number: index + 1 })}>
              <Image source={{ uri: photo.address }} style={styles.image} />
            </View>
            <View style={[styles.remove, { backgroundColor: palette.surface }]}>
              <IconButton name="x" label={t('end.photo.remove', { number: index + 1 })} onPress={() => onRemove(id)} />
            </View>
          </View>
        ))}
        <Pressable
          role="button"
          aria-label={t(kept.length > 0 ? 'end.photo.more' : 'end.photo.add')}
          aria-busy={busy}
          onPress={busy ? undefined : onAdd}
          style={({ pressed }) => [styles.add, kept.length === 0 && styles.addWide, { borderColor: palette.outline, backgroundColor: pressed ? palette.sunken : 'transparent' }]}
        >
          {busy ? <Loading label={t('end.photo.uploading')} /> : <Icon name="camera" size={30} color={palette.primary} />}
          <Text variant="strong" tone="primary">
            {t(kept.length > 0 ? 'end.photo.more' : 'end.photo.add')}
          </Text>
        </Pressable>
      </View>
    </View>
  );
}

export function EndRideScreen({ bookingId }: { bookingId: string }) {
  const { t, failure } = useLanguage();
  const api = useApi();
  const [, go] = useLocation();
  const keep = useKeepBooking();
  const booking = useBooking(bookingId).data;
  const vehicle = useBookedVehicle(booking);
  const [kept, setKept] = useState<Kept[]>([]);
  const add = useMutation({
    mutationFn: async () => {
      const photo = await takePhoto();
      return photo && { photo, id: (await api.uploadPhoto(photo.form())).id };
    },
    onSuccess: (added) => added && setKept((current) => [...current, added]),
  });
  const end = useChange('end', (ended) => {
    keep(ended);
    go(`/bookings/${bookingId}`, { replace: true });
  });
  const back = `/bookings/${bookingId}`;
  const over = booking && booking.state !== 'riding' && booking.state !== 'paused';
  useEffect(() => {
    if (over) go(back, { replace: true });
  }, [over, back, go]);

  // Also while it is tried again: the rider should know what to do.
  const error = end.failureReason ?? add.error;
  return (
    <Frame
      overMap
      title={t('end.title')}
      back={back}
      footer={
        <>
          {error && (
            <Notice kind="bad" urgent>
              {failure(error)}
            </Notice>
          )}
          <Button icon="lock" title={t('end.submit')} busy={end.isPending} disabled={kept.length === 0 || add.isPending} onPress={() => end.mutate({ params: { bookingId }, body: { photoIds: kept.map(({ id }) => id) } })} />
          <Button kind="quiet" title={t('end.keep')} onPress={() => go(back)} />
        </>
      }
    >
      {booking && vehicle ? <Standing booking={booking} vehicle={vehicle} /> : <Loading label={t('common.loading')} />}
      <Photos kept={kept} busy={add.isPending} onAdd={() => add.mutate()} onRemove={(id) => setKept((current) => current.filter((each) => each.id !== id))} />
    </Frame>
  );
}

const styles = StyleSheet.create({
  group: { gap: space.small },
  photos: { flexDirection: 'row', flexWrap: 'wrap', gap: space.small },
  photo: { width: 132, height: 132 },
  image: { width: 132, height: 132, borderRadius: corner.medium },
  remove: { position: 'absolute', top: 4, right: 4, borderRadius: corner.round },
  add: { width: 132, height: 132, borderRadius: corner.medium, borderWidth: 2, borderStyle: 'dashed', alignItems: 'center', justifyContent: 'center', gap: space.small, overflow: 'hidden' },
  addWide: { width: '100%' },
});
