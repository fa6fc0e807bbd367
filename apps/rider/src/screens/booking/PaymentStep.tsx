/** Before the vehicle is the rider's: the bank is asked, or asks back. */
import { useEffect, useRef, useState } from 'react';
import { useSearch } from 'wouter';
import type { Booking } from '../../api/contract';
import { useChange, useKeepBooking } from '../../api/queries';
import { leaveFor } from '../../components/leaveFor';
import { Button } from '../../design/Button';
import { Line, Loading, Notice } from '../../design/Surface';
import { Text } from '../../design/Text';
import { useLanguage } from '../../i18n/language';
import { Frame } from '../../navigation/Shell';

export function PaymentStep({ booking }: { booking: Booking }) {
  const { t, money, failure } = useLanguage();
  const keep = useKeepBooking();
  const confirm = useChange('confirmPayment', keep);
  const cancel = useChange('cancel', keep);
  const [leaving, setLeaving] = useState(false);
  const asked = booking.payment.state === 'action-required';
  // The bank's page leads back here with parameters of its own: then it is time to ask how it ended.
  const cameBack = useSearch() !== '';
  const confirmedOnce = useRef(false);
  const { mutate } = confirm;
  useEffect(() => {
    if (!asked || !cameBack || confirmedOnce.current) return;
    confirmedOnce.current = true;
    mutate({ params: { bookingId: booking.id } });
  }, [asked, cameBack, mutate, booking.id]);

  const error = confirm.error ?? cancel.error;
  const { actionUrl } = booking.payment;
  if (!asked || confirm.isPending) {
    return (
      <Frame overMap title={t('booking.authorising.title')} back="/">
        <Loading label={t('booking.authorising.title')} />
        <Text tone="muted" align="center">
          {t('booking.authorising.body')}
        </Text>
      </Frame>
    );
  }
  return (
    <Frame
      overMap
      title={t('booking.confirm.title')}
      back="/"
      footer={
        <>
          {error && (
            <Notice kind="bad" urgent>
              {failure(error)}
            </Notice>
          )}
          {actionUrl && (
            <Button
              title={t('booking.confirm.open')}
              icon="shield-check"
              busy={leaving}
              onPress={() => {
                setLeaving(true);
                void leaveFor(actionUrl).finally(() => setLeaving(false));
              }}
            />
          )}
          <Button kind="secondary" title={t('booking.confirm.done')} onPress={() => mutate({ params: { bookingId: booking.id } })} />
          {booking.state === 'reserved' && <Button kind="quiet" title={t('booking.cancel')} busy={cancel.isPending} onPress={() => cancel.mutate({ params: { bookingId: booking.id } })} />}
        </>
      }
    >
      <Text tone="muted">{t('booking.confirm.body')}</Text>
      <Line name={booking.model} value={money(booking.authorisedMinor, booking.price.currency)} />
    </Frame>
  );
}
