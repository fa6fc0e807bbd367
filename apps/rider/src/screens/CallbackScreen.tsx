/** Where the sign-in page comes back to. */
import { useEffect, useRef, useState } from 'react';
import { StyleSheet, View } from 'react-native';
import { useLocation } from 'wouter';
import { Button } from '../design/Button';
import { Loading, Notice } from '../design/Surface';
import { Text } from '../design/Text';
import { space } from '../design/theme';
import { useLanguage } from '../i18n/language';
import { useSession } from '../session/session';

export function CallbackScreen() {
  const { t, locale, failure } = useLanguage();
  const { completeSignIn, signIn } = useSession();
  const [, go] = useLocation();
  const [error, setError] = useState<unknown>();
  const begun = useRef(false);

  useEffect(() => {
    // The code works once: neither a second render nor a development double effect may spend it again.
    if (begun.current) return;
    begun.current = true;
    completeSignIn(window.location.href).then(
      () => go('/', { replace: true }),
      (reason: unknown) => setError(reason),
    );
  }, [completeSignIn, go]);

  return (
    <View role="main" style={styles.screen}>
      <Text variant="title" level={1} align="center">
        {t(error ? 'callback.failed' : 'callback.working')}
      </Text>
      {error ? (
        <>
          <Notice kind="bad" urgent>
            {failure(error)}
          </Notice>
          <Button title={t('common.retry')} onPress={() => void signIn(locale)} />
        </>
      ) : (
        <Loading label={t('common.loading')} />
      )}
    </View>
  );
}

const styles = StyleSheet.create({ screen: { flex: 1, justifyContent: 'center', gap: space.large, padding: space.huge, width: '100%', maxWidth: 480, marginHorizontal: 'auto' } });
