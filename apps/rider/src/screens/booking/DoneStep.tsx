/** After the ride: the price, the receipt, a word on how it was. */
import { useMutation } from '@tanstack/react-query';
import { StyleSheet, View } from 'react-native';
import { useLocation } from 'wouter';
import type { Booking, Receipt } from '../../api/contract';
import { useReceipt } from '../../api/queries';
import { cardName } from '../../components/cardName';
import { download } from '../../components/download';
import { PriceLines } from '../../components/PriceLines';
import { Button, IconButton } from '../../design/Button';
import { Icon } from '../../design/Icon';
import { Card, Fact, Line, Loading, Notice } from '../../design/Surface';
import { Text } from '../../design/Text';
import { corner, space, usePalette } from '../../design/theme';
import { useLanguage } from '../../i18n/language';
import { Frame } from '../../navigation/Shell';
import { useApi } from '../../session/session';
import { Rating } from './Rating';

function ReceiptCard({ receipt }: { receipt: Receipt }) {
  const { t, money, time, failure } = useLanguage();
  const api = useApi();
  const pdf = useMutation({
    mutationFn: async () => {
      const response = await api.open('getReceipt', { params: { bookingId: receipt.bookingId } }, { accept: 'application/pdf' });
      await download(await response.blob(), `${receipt.number}.pdf`);
    },
  });
  return (
    <Card>
      <View>
        <Text variant="heading" level={2}>
          {t('receipt.number', { number: receipt.number })}
        </Text>
        <Text variant="small" tone="muted">
          {t('receipt.issued', { time: time(receipt.issuedAt) })}
        </Text>
      </View>
      <PriceLines lines={receipt.lines} totalMinor={receipt.totalMinor} taxMinor={receipt.taxMinor} taxPercent={receipt.taxPercent} currency={receipt.currency} />
      {receipt.refundedMinor > 0 && <Line name={t('receipt.refunded')} value={money(-receipt.refundedMinor, receipt.currency)} />}
      <Notice icon="credit-card">{cardName(receipt.paidWith)}</Notice>
      {pdf.isError && (
        <Notice kind="bad" urgent>
          {failure(pdf.error)}
        </Notice>
      )}
      <Button kind="secondary" icon="download" title={t('receipt.download')} busy={pdf.isPending} onPress={() => pdf.mutate()} />
    </Card>
  );
}

function Summary({ booking }: { booking: Booking }) {
  const { t, money, distance, minutes } = useLanguage();
  const palette = usePalette();
  const ridden = booking.startedAt && booking.endedAt ? (Date.parse(booking.endedAt) - Date.parse(booking.startedAt)) / 60_000 : 0;
  return (
    <>
      <View style={[styles.hero, { backgroundColor: palette.live }]}>
        <View style={[styles.mark, { backgroundColor: palette.spark }]}>
          <Icon name={booking.state === 'charged' ? 'check' : 'clock'} size={30} color={palette.onSpark} strokeWidth={3} />
        </View>
        <Text variant="figure" tone="onLive" align="center">
          {money(booking.price.totalMinor, booking.price.currency)}
        </Text>
        <View role="status">
          <Text variant="strong" tone="onLiveMuted" align="center">
            {booking.state === 'charged' ? t('done.paid') : t('done.settling')}
          </Text>
        </View>
      </View>
      <View style={styles.facts}>
        <Fact icon="clock" label={t('ride.time')} value={minutes(Math.max(1, ridden))} />
        <Fact icon="route" label={t('ride.distance')} value={distance(booking.distanceMetres ?? 0)} />
      </View>
    </>
  );
}

export function DoneStep({ booking }: { booking: Booking }) {
  const { t } = useLanguage();
  const [, go] = useLocation();
  const receipt = useReceipt(booking.id, booking.state === 'charged');
  return (
    <Frame overMap title={t('done.title')} aside={<IconButton name="x" label={t('common.close')} onPress={() => go('/trips')} />}>
      <Summary booking={booking} />
      {booking.state === 'charged' && <Rating booking={booking} />}
      {receipt.data ? <ReceiptCard receipt={receipt.data} /> : booking.state === 'charged' && !receipt.isError && <Loading label={t('receipt.title')} />}
    </Frame>
  );
}

const styles = StyleSheet.create({
  hero: { borderRadius: corner.sheet, padding: space.huge, gap: space.small, alignItems: 'center' },
  mark: { width: 56, height: 56, borderRadius: 28, alignItems: 'center', justifyContent: 'center' },
  facts: { flexDirection: 'row', gap: space.small },
});
