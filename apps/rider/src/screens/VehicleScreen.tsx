/** One vehicle: what it is, what a ride costs, reserve. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { StyleSheet, View } from 'react-native';
import { useLocation } from 'wouter';
import type { VehicleDetails } from '../api/contract';
import { Failure } from '../api/failure';
import { useChange, useKeepBooking, useOpenBookings, usePaymentMethods, useVehicle } from '../api/queries';
import { BatteryMark } from '../components/BatteryMark';
import { OpenRideCard } from '../components/OpenRideCard';
import { QuoteCard } from '../components/QuoteCard';
import { StartPicker } from '../components/StartPicker';
import { Button, IconButton } from '../design/Button';
import { Choice } from '../design/Choice';
import { Icon } from '../design/Icon';
import { Empty, Fact, Loading, Notice } from '../design/Surface';
import { Text } from '../design/Text';
import { corner, space, usePalette } from '../design/theme';
import { vehicleIcons } from '../design/vehicleIcons';
import { hasFixedTime } from '../domain/booking';
import { walkingMinutes } from '../domain/distance';
import { durations } from '../domain/start';
import { pricingZoneAt } from '../domain/zones';
import { useLanguage } from '../i18n/language';
import { useCity } from '../map/city';
import { Frame } from '../navigation/Shell';
import { useApi } from '../session/session';

function Headline({ vehicle }: { vehicle: VehicleDetails }) {
  const { t, money } = useLanguage();
  const palette = usePalette();
  const { bays } = useCity();
  const bay = bays.find(({ id }) => id === vehicle.bayId);
  return (
    <View style={styles.headline}>
      <View style={[styles.tile, { backgroundColor: palette.live }]}>
        <Icon name={vehicleIcons[vehicle.type]} size={34} color={palette.spark} />
      </View>
      <View style={styles.grow}>
        <Text variant="strong" tone="muted">
          {t(`type.${vehicle.type}`)}
          {(vehicle.vehicleModel.seats ?? 1) > 1 ? ` · ${t('vehicle.seats', { count: vehicle.vehicleModel.seats ?? 1 })}` : ''}
        </Text>
        <View style={styles.charge}>
          <BatteryMark percent={vehicle.batteryPercent} />
          <Text variant="small" tone="muted" tabular>
            {t('vehicle.batteryPercent', { percent: Math.round(vehicle.batteryPercent) })}
            {vehicle.pluggedIn ? ` · ${t('vehicle.plugged')}` : ''}
          </Text>
        </View>
        {bay && (
          <Text variant="small" tone="muted" numberOfLines={1}>
            {t('vehicle.inBay', { bay: bay.name })}
          </Text>
        )}
      </View>
      <View>
        <Text variant="title" tabular align="right">
          {money(vehicle.pricePerMinuteMinor, vehicle.currency)}
        </Text>
        <Text variant="tiny" tone="muted" align="right">
          {t('vehicle.perMinute')}
        </Text>
        {vehicle.unlockFeeMinor > 0 && (
          <Text variant="tiny" tone="muted" align="right">
            + {money(vehicle.unlockFeeMinor, vehicle.currency)} {t('vehicle.unlockFee')}
          </Text>
        )}
      </View>
    </View>
  );
}

function Facts({ vehicle }: { vehicle: VehicleDetails }) {
  const { t, distance } = useLanguage();
  const { metresTo } = useCity();
  const metres = metresTo(vehicle.position);
  return (
    <View style={styles.facts}>
      <Fact icon="route" label={t('vehicle.range')} value={distance(vehicle.rangeMetres)} />
      {metres === undefined ? (
        <Fact icon="gauge" label={t('vehicle.speed')} value={t('unit.speed', { count: Math.round(vehicle.vehicleModel.maximumSpeedKilometresPerHour) })} />
      ) : (
        <>
          <Fact icon="map-pin" label={t('vehicle.distance')} value={distance(metres)} />
          {metres < 5_000 && <Fact icon="footprints" label={t('vehicle.walk.label')} value={t('common.minutes', { count: walkingMinutes(metres) })} />}
        </>
      )}
    </View>
  );
}

function Rules({ vehicle }: { vehicle: VehicleDetails }) {
  const { t, money } = useLanguage();
  const { zones, city } = useCity();
  const zone = pricingZoneAt(zones, vehicle.type, vehicle.position);
  const { fines, currency } = vehicle.tariff;
  const share = Math.round(Math.abs((zone?.multiplier ?? 1) - 1) * 100);
  return (
    <View style={styles.rules}>
      {zone && (
        <Notice kind={(zone.multiplier ?? 1) > 1 ? 'warn' : 'good'} icon="gauge">
          {t((zone.multiplier ?? 1) > 1 ? 'vehicle.zone.higher' : 'vehicle.zone.lower', { zone: zone.name, percent: share })}
        </Notice>
      )}
      <Notice icon="circle-parking">{city?.parking === 'bays-only' ? t('vehicle.parking.bays', { amount: money(fines.outsideBayMinor, currency) }) : t('vehicle.parking.free')}</Notice>
      {vehicle.vehicleModel.pluggable && <Notice icon="plug">{t('vehicle.parking.plug', { amount: money(fines.notPluggedInMinor, currency) })}</Notice>}
    </View>
  );
}

interface Plan {
  minutes: number;
  startsAt: string | undefined;
}

function useQuote(vehicleId: string, { minutes, startsAt }: Plan, enabled: boolean) {
  const api = useApi();
  return useQuery({
    queryKey: ['quote', vehicleId, minutes, startsAt],
    queryFn: ({ signal }) => api.call('createQuote', { body: { vehicleId, minutes, ...(startsAt && { startsAt }) } }, { signal }),
    enabled,
    // A fresh price shortly before the old one runs out.
    refetchInterval: (query) => (query.state.data ? Math.max(5_000, Date.parse(query.state.data.expiresAt) - Date.now() - 5_000) : false),
    staleTime: 30_000,
    placeholderData: (previous) => previous,
    retry: false,
  });
}

function Planner({ vehicle }: { vehicle: VehicleDetails }) {
  const { t, money, minutes: minutesText, failure } = useLanguage();
  const [, go] = useLocation();
  const keep = useKeepBooking();
  const fixedTime = hasFixedTime(vehicle.type);
  const [plan, setPlan] = useState<Plan>({ minutes: fixedTime ? 120 : 20, startsAt: undefined });
  const [methodId, setMethodId] = useState<string>();
  const cards = usePaymentMethods();
  const methods = cards.data?.items ?? [];
  const quote = useQuote(vehicle.id, plan, true);
  const booked = useChange('createBooking', (booking) => {
    keep(booking);
    go(`/bookings/${booking.id}`);
  });
  const stale = booked.error instanceof Failure && (booked.error.code === 'quote-expired' || booked.error.code === 'quote-mismatch');
  const { refetch } = quote;
  useEffect(() => {
    if (stale) void refetch();
  }, [stale, refetch]);

  const reserve = (): void => {
    if (!quote.data) return;
    booked.mutate({
      body: { vehicleId: vehicle.id, quoteId: quote.data.id, ...(fixedTime && { minutes: plan.minutes, ...(plan.startsAt && { startsAt: plan.startsAt }) }), ...(methodId && { paymentMethodId: methodId }) },
    });
  };
  const noCard = cards.isSuccess && methods.length === 0;
  return {
    body: (
      <>
        {fixedTime && <StartPicker value={plan.startsAt} onChange={(startsAt) => setPlan({ ...plan, startsAt })} />}
        <View style={styles.group}>
          <Text variant="strong">{t('quote.duration')}</Text>
          <View style={styles.edge}>
            <Choice scrolling label={t('quote.duration')} options={durations(fixedTime).map((minutes) => ({ value: minutes, label: minutesText(minutes) }))} value={plan.minutes} onChange={(minutes) => setPlan({ ...plan, minutes })} />
          </View>
          <Text variant="small" tone="muted">
            {t(fixedTime ? 'quote.duration.fixed' : 'quote.duration.estimate')}
          </Text>
        </View>
        <QuoteCard quote={quote.data} error={quote.isPlaceholderData ? undefined : quote.error} methods={methods} methodId={methodId ?? methods[0]?.id} onMethod={setMethodId} />
      </>
    ),
    footer: (
      <>
        {booked.isError && (
          <Notice kind="bad" urgent>
            {failure(booked.error)}
          </Notice>
        )}
        {noCard ? (
          <Button title={t('quote.addCard')} icon="credit-card" onPress={() => go(`/wallet?next=${encodeURIComponent(`/vehicles/${vehicle.id}`)}`)} />
        ) : (
          <Button title={t('quote.reserve')} aside={quote.data ? money(quote.data.totalMinor, quote.data.currency) : ''} busy={booked.isPending} disabled={!quote.data || quote.isError || !cards.isSuccess} onPress={reserve} />
        )}
        <Text variant="tiny" tone="muted" align="center">
          {t('quote.reserve.until')}
        </Text>
      </>
    ),
  };
}

function Details({ vehicle }: { vehicle: VehicleDetails }) {
  const { t } = useLanguage();
  const [, go] = useLocation();
  const planner = Planner({ vehicle });
  const [open] = useOpenBookings();
  const rentable = vehicle.status === 'available';
  return (
    <Frame overMap title={vehicle.model} aside={<IconButton name="x" label={t('common.close')} onPress={() => go('/')} />} footer={rentable && !open ? planner.footer : undefined}>
      {open && <OpenRideCard booking={open} />}
      <Headline vehicle={vehicle} />
      <Facts vehicle={vehicle} />
      {rentable ? (
        <>
          {!open && planner.body}
          <Rules vehicle={vehicle} />
        </>
      ) : (
        <Empty icon="lock" title={t('vehicle.gone.title')} body={t('vehicle.gone.body')} action={{ title: t('booking.closed.again'), onPress: () => go('/') }} />
      )}
    </Frame>
  );
}

export function VehicleScreen({ vehicleId }: { vehicleId: string }) {
  const { t, failure } = useLanguage();
  const [, go] = useLocation();
  const { select } = useCity();
  const vehicle = useVehicle(vehicleId);

  useEffect(() => {
    if (vehicle.data) select(vehicle.data);
    return () => select(undefined);
  }, [vehicle.data, select]);

  if (vehicle.data) return <Details vehicle={vehicle.data} />;
  return (
    <Frame overMap title={t('explore.title')} back="/">
      {vehicle.isError ? <Empty icon="map-pin" title={t('vehicle.gone.title')} body={failure(vehicle.error)} action={{ title: t('booking.closed.again'), onPress: () => go('/') }} /> : <Loading label={t('common.loading')} />}
    </Frame>
  );
}

const styles = StyleSheet.create({
  grow: { flex: 1, minWidth: 0, gap: 2 },
  headline: { flexDirection: 'row', alignItems: 'center', gap: space.medium },
  tile: { width: 64, height: 64, borderRadius: corner.large, alignItems: 'center', justifyContent: 'center' },
  charge: { flexDirection: 'row', alignItems: 'center', gap: 6 },
  facts: { flexDirection: 'row', gap: space.small },
  rules: { gap: space.small },
  group: { gap: space.small },
  edge: { marginHorizontal: -space.large },
});
