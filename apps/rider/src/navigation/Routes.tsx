/** Which screen a path shows. */
import { useEffect } from 'react';
import { StyleSheet, View } from 'react-native';
import { Route, Switch, useLocation } from 'wouter';
import { useProfile } from '../api/queries';
import { SafetyCheck } from '../components/SafetyCheck';
import { Loading } from '../design/Surface';
import { usePalette } from '../design/theme';
import { useLanguage } from '../i18n/language';
import { CityProvider } from '../map/city';
import { MapStage } from '../map/MapStage';
import { BookingScreen } from '../screens/BookingScreen';
import { CallbackScreen } from '../screens/CallbackScreen';
import { EndRideScreen } from '../screens/EndRideScreen';
import { ExploreScreen } from '../screens/ExploreScreen';
import { LicenceScreen } from '../screens/LicenceScreen';
import { NotFoundScreen } from '../screens/NotFoundScreen';
import { ProfileScreen } from '../screens/ProfileScreen';
import { SignUpScreen } from '../screens/SignUpScreen';
import { TripsScreen } from '../screens/TripsScreen';
import { VehicleScreen } from '../screens/VehicleScreen';
import { WalletScreen } from '../screens/WalletScreen';
import { WelcomeScreen } from '../screens/WelcomeScreen';
import { useSession } from '../session/session';
import { OfflineBanner } from './OfflineBanner';
import { pathSegment } from './pathSegment';
import { Shell } from './Shell';

/** The language that the account was opened in, when this device has none of its own yet. */
function useAccountLanguage(): void {
  const profile = useProfile().data;
  const { adoptLocale } = useLanguage();
  useEffect(() => {
    if (profile) adoptLocale(profile.locale);
  }, [profile, adoptLocale]);
}

function SignedIn() {
  useAccountLanguage();
  return (
    <CityProvider>
      <Shell map={<MapStage />}>
        <Switch>
          <Route path="/" component={ExploreScreen} />
          <Route path="/vehicles/:vehicleId">{({ vehicleId }) => <VehicleScreen key={vehicleId} vehicleId={pathSegment(vehicleId)} />}</Route>
          <Route path="/bookings/:bookingId/end">{({ bookingId }) => <EndRideScreen key={bookingId} bookingId={bookingId} />}</Route>
          <Route path="/bookings/:bookingId">{({ bookingId }) => <BookingScreen key={bookingId} bookingId={bookingId} />}</Route>
          <Route path="/trips" component={TripsScreen} />
          <Route path="/wallet" component={WalletScreen} />
          <Route path="/profile" component={ProfileScreen} />
          <Route path="/licence" component={LicenceScreen} />
          <Route component={NotFoundScreen} />
        </Switch>
      </Shell>
    </CityProvider>
  );
}

export function Routes() {
  const { state } = useSession();
  const { t } = useLanguage();
  const [path] = useLocation();
  const palette = usePalette();
  const screen = (): React.ReactNode => {
    if (path === '/callback') return <CallbackScreen />;
    if (state === 'restoring') return <Loading label={t('common.loading')} />;
    if (state === 'signed-in') {
      return (
        <SafetyCheck>
          <SignedIn />
        </SafetyCheck>
      );
    }
    return path === '/sign-up' ? <SignUpScreen /> : <WelcomeScreen />;
  };
  return (
    <View style={[styles.app, { backgroundColor: palette.ground }]}>
      <OfflineBanner />
      <View style={styles.app}>{screen()}</View>
    </View>
  );
}

const styles = StyleSheet.create({ app: { flex: 1 } });
