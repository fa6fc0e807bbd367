/** Opening an account. */
import { useState } from 'react';
import { ScrollView, StyleSheet, View } from 'react-native';
import { useLocation } from 'wouter';
import { useChange } from '../api/queries';
import { CityArt } from '../components/CityArt';
import { LanguageSwitch } from '../components/LanguageSwitch';
import { Button, IconButton } from '../design/Button';
import { Field } from '../design/Field';
import { Notice } from '../design/Surface';
import { Text } from '../design/Text';
import { space, useTheme } from '../design/theme';
import { checkNewRider, type NewRider, normaliseDay } from '../domain/forms';
import { useLanguage } from '../i18n/language';
import { useSession } from '../session/session';

function Opened({ name, email }: { name: string; email: string }) {
  const { t, locale, failure } = useLanguage();
  const { signIn } = useSession();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const begin = (): void => {
    setBusy(true);
    signIn(locale, email).catch((reason: unknown) => {
      setError(reason);
      setBusy(false);
    });
  };
  return (
    <>
      <Text variant="title" level={1}>
        {t('signUp.done.title', { name: name.split(' ')[0] ?? name })}
      </Text>
      <Text tone="muted">{t('signUp.done.body')}</Text>
      {error !== undefined && (
        <Notice kind="bad" urgent>
          {failure(error)}
        </Notice>
      )}
      <Button title={t('welcome.signIn')} icon="arrow-right" busy={busy} onPress={begin} />
    </>
  );
}

const blank: NewRider = { name: '', email: '', password: '', birthDate: '' };

function Form({ onOpened }: { onOpened: (rider: NewRider) => void }) {
  const { t, locale, failure } = useLanguage();
  const [rider, setRider] = useState(blank);
  const [checked, setChecked] = useState(false);
  const [passwordShown, setPasswordShown] = useState(false);
  const register = useChange('registerRider', () => onOpened(rider));
  const complaints = checkNewRider(rider);
  const wrong = Object.keys(complaints).length > 0;
  const set = (field: keyof NewRider) => (text: string) => setRider((current) => ({ ...current, [field]: text }));
  const complaint = (field: keyof NewRider): string | undefined => {
    const key = checked ? complaints[field] : undefined;
    return key && t(key);
  };
  const submit = (): void => {
    setChecked(true);
    if (wrong) return;
    register.mutate({ body: { email: rider.email.trim(), password: rider.password, name: rider.name.trim(), birthDate: normaliseDay(rider.birthDate), locale } });
  };
  return (
    <>
      <Text tone="muted">{t('signUp.intro')}</Text>
      <Field label={t('signUp.name')} value={rider.name} onChangeText={set('name')} autoComplete="name" error={complaint('name')} />
      <Field label={t('signUp.email')} value={rider.email} onChangeText={set('email')} autoComplete="email" inputMode="email" autoCapitalize="none" error={complaint('email')} />
      <Field
        label={t('signUp.password')}
        value={rider.password}
        onChangeText={set('password')}
        autoComplete="new-password"
        secureTextEntry={!passwordShown}
        hint={t('signUp.password.hint')}
        error={complaint('password')}
        trailing={<IconButton name={passwordShown ? 'eye-off' : 'eye'} label={t(passwordShown ? 'signUp.password.hide' : 'signUp.password.show')} onPress={() => setPasswordShown(!passwordShown)} />}
      />
      <Field label={t('signUp.birthDate')} value={rider.birthDate} onChangeText={set('birthDate')} autoComplete="birthdate-full" inputMode="text" placeholder="1994-05-23" hint={t('signUp.birthDate.hint')} error={complaint('birthDate')} onSubmitEditing={submit} />
      <View style={styles.language}>
        <Text variant="strong">{t('signUp.language')}</Text>
        <LanguageSwitch />
      </View>
      {checked && wrong && (
        <Notice kind="bad" urgent>
          {t('form.check')}
        </Notice>
      )}
      {register.isError && (
        <Notice kind="bad" urgent>
          {failure(register.error)}
        </Notice>
      )}
      <Button title={t('signUp.submit')} busy={register.isPending} onPress={submit} />
    </>
  );
}

export function SignUpScreen() {
  const { t, locale } = useLanguage();
  const { wide, palette } = useTheme();
  const { signIn } = useSession();
  const [, go] = useLocation();
  const [opened, setOpened] = useState<NewRider>();
  return (
    <View role="main" style={[styles.screen, { backgroundColor: palette.ground }]}>
      {wide && <CityArt />}
      <ScrollView style={styles.scroll} contentContainerStyle={styles.content} keyboardShouldPersistTaps="handled">
        {opened ? (
          <Opened name={opened.name} email={opened.email} />
        ) : (
          <>
            <View style={styles.header}>
              <IconButton name="chevron-left" label={t('common.back')} onPress={() => go('/')} size={26} />
              <Text variant="title" level={1}>
                {t('signUp.title')}
              </Text>
            </View>
            <Form onOpened={setOpened} />
            <Button kind="quiet" title={t('signUp.haveAccount')} onPress={() => void signIn(locale)} />
          </>
        )}
      </ScrollView>
    </View>
  );
}

const styles = StyleSheet.create({
  screen: { flex: 1, flexDirection: 'row' },
  scroll: { flex: 1 },
  content: { padding: space.huge, gap: space.large, width: '100%', maxWidth: 560, marginHorizontal: 'auto' },
  header: { flexDirection: 'row', alignItems: 'center', gap: space.hair, marginLeft: -space.medium },
  language: { gap: 6 },
});
