/** One booking, from the reservation to the receipt: each step shows what the rider can do next. */
import { useEffect } from 'react';
import { useLocation } from 'wouter';
import type { Booking } from '../api/contract';
import { useBooking, useVehicle } from '../api/queries';
import { useNow } from '../components/useNow';
import { Empty, Loading } from '../design/Surface';
import { bookingStep, isOpen } from '../domain/booking';
import { useLanguage } from '../i18n/language';
import { useCity } from '../map/city';
import { Frame } from '../navigation/Shell';
import { DoneStep } from './booking/DoneStep';
import { PaymentStep } from './booking/PaymentStep';
import { ReservedStep } from './booking/ReservedStep';
import { RideStep } from './booking/RideStep';

/** Puts the vehicle of an open booking on the map. */
export function useBookedVehicle(booking: Booking | undefined) {
  const { select } = useCity();
  const vehicle = useVehicle(booking && isOpen(booking) ? booking.vehicleId : undefined).data;
  useEffect(() => {
    if (vehicle) select(vehicle);
    return () => select(undefined);
  }, [vehicle, select]);
  return vehicle;
}

function Step({ booking }: { booking: Booking }) {
  const [, go] = useLocation();
  const now = useNow();
  const vehicle = useBookedVehicle(booking);
  switch (bookingStep(booking, now)) {
    case 'confirm-payment':
    case 'authorising':
      return <PaymentStep booking={booking} />;
    case 'waiting':
    case 'ready':
      return <ReservedStep booking={booking} vehicle={vehicle} nowMs={now} />;
    case 'riding':
    case 'paused':
      return <RideStep booking={booking} vehicle={vehicle} nowMs={now} />;
    case 'settling':
    case 'done':
      return <DoneStep booking={booking} />;
    case 'closed':
      return (
        <Frame overMap title={booking.model} back="/">
          <Closed booking={booking} onAgain={() => go('/')} />
        </Frame>
      );
  }
}

function Closed({ booking, onAgain }: { booking: Booking; onAgain: () => void }) {
  const { t, failureByCode } = useLanguage();
  const title = t(booking.state === 'cancelled' ? 'booking.closed.cancelled' : booking.state === 'expired' ? 'booking.closed.expired' : 'booking.closed.failed');
  const reason = booking.failureCode ? failureByCode(booking.failureCode) : t('booking.closed.body');
  return <Empty icon={booking.state === 'failed' ? 'circle-alert' : 'timer'} title={title} body={reason} action={{ title: t('booking.closed.again'), onPress: onAgain }} />;
}

export function BookingScreen({ bookingId }: { bookingId: string }) {
  const { t, failure } = useLanguage();
  const [, go] = useLocation();
  const booking = useBooking(bookingId);
  if (booking.data) return <Step booking={booking.data} />;
  return (
    <Frame overMap title={t('trips.title')} back="/">
      {booking.isError ? <Empty icon="route" title={t('booking.notFound')} body={failure(booking.error)} action={{ title: t('notFound.action'), onPress: () => go('/') }} /> : <Loading label={t('common.loading')} />}
    </Frame>
  );
}
