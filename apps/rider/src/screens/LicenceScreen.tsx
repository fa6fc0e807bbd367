/** Handing in the driving licence that cars and vans need. */
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { View } from 'react-native';
import { useLocation, useSearch } from 'wouter';
import type { LicenceClass } from '../api/contract';
import { useChange, useProfile } from '../api/queries';
import { Button } from '../design/Button';
import { ManyChoice } from '../design/Choice';
import { Field } from '../design/Field';
import { Notice } from '../design/Surface';
import { Text } from '../design/Text';
import { space } from '../design/theme';
import { checkLicence, type LicenceForm, normaliseDay } from '../domain/forms';
import { useLanguage } from '../i18n/language';
import { nextPath } from '../navigation/nextPath';
import { Frame } from '../navigation/Shell';

const classes: readonly LicenceClass[] = ['AM', 'A1', 'A2', 'A', 'B', 'BE', 'C1', 'C'];

export function LicenceScreen() {
  const { t, failure } = useLanguage();
  const [, go] = useLocation();
  const back = nextPath(useSearch()) ?? '/profile';
  const queries = useQueryClient();
  const profile = useProfile().data;
  const [form, setForm] = useState<LicenceForm>({ number: '', country: 'DE', expiresOn: '' });
  const [chosen, setChosen] = useState<LicenceClass[]>(['B']);
  const [checked, setChecked] = useState(false);
  const submit = useChange('submitLicence', async (updated) => {
    queries.setQueryData(['profile'], updated);
    await queries.invalidateQueries({ queryKey: ['quote'] });
  });
  const complaints = checkLicence(form);
  const set = (field: keyof LicenceForm) => (text: string) => setForm((current) => ({ ...current, [field]: text }));
  const complaint = (field: keyof LicenceForm): string | undefined => {
    const key = checked ? complaints[field] : undefined;
    return key && t(key);
  };
  const handIn = (): void => {
    setChecked(true);
    if (Object.keys(complaints).length > 0 || chosen.length === 0) return;
    submit.mutate({ body: { classes: chosen, country: form.country.trim().toUpperCase(), expiresOn: normaliseDay(form.expiresOn), number: form.number.trim() } });
  };
  return (
    <Frame title={t('licence.title')} back={back} footer={!submit.isSuccess && <Button title={t('licence.submit')} busy={submit.isPending} onPress={handIn} />}>
      {submit.isSuccess ? (
        <>
          <Notice kind="good" urgent>
            {t(profile?.licence?.verified ? 'licence.done.verified' : 'licence.done.pending')}
          </Notice>
          <Button title={t('vehicle.choose')} icon="arrow-right" onPress={() => go(back)} />
        </>
      ) : (
        <>
          <Text tone="muted">{t('licence.intro')}</Text>
          <View style={{ gap: space.small }}>
            <Text variant="strong">{t('licence.classes')}</Text>
            <ManyChoice label={t('licence.classes')} options={classes.map((value) => ({ value, label: value }))} values={chosen} onChange={setChosen} />
            {checked && chosen.length === 0 && (
              <Text variant="small" tone="bad">
                {t('form.required')}
              </Text>
            )}
          </View>
          <Field label={t('licence.number')} value={form.number} onChangeText={set('number')} autoCapitalize="characters" maxLength={40} error={complaint('number')} />
          <Field label={t('licence.country')} value={form.country} onChangeText={set('country')} autoCapitalize="characters" maxLength={2} hint={t('licence.country.hint')} error={complaint('country')} />
          <Field label={t('licence.expires')} value={form.expiresOn} onChangeText={set('expiresOn')} placeholder="2033-01-31" hint={t('signUp.birthDate.hint')} error={complaint('expiresOn')} />
          {submit.isError && (
            <Notice kind="bad" urgent>
              {failure(submit.error)}
            </Notice>
          )}
        </>
      )}
    </Frame>
  );
}
