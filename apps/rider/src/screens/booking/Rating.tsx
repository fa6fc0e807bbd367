/** A word on how the ride was, and what is broken. */
import { useState } from 'react';
import { Pressable, StyleSheet, View } from 'react-native';
import type { Booking, Fault } from '../../api/contract';
import { useChange, useKeepBooking } from '../../api/queries';
import { Button } from '../../design/Button';
import { ManyChoice } from '../../design/Choice';
import { Field } from '../../design/Field';
import { Icon } from '../../design/Icon';
import { Card, Notice } from '../../design/Surface';
import { Text } from '../../design/Text';
import { touchSize, usePalette } from '../../design/theme';
import { useLanguage } from '../../i18n/language';

const faults: readonly Fault[] = ['brakes', 'lights', 'tyres', 'handlebar', 'battery', 'display', 'bodywork', 'dirty', 'lock', 'other'];
const stars = [1, 2, 3, 4, 5];

function Stars({ value, onChange }: { value: number; onChange: (value: number) => void }) {
  const { t, count } = useLanguage();
  const palette = usePalette();
  return (
    <View role="radiogroup" aria-label={t('rate.title')} style={styles.stars}>
      {stars.map((star) => (
        <Pressable key={star} role="radio" aria-checked={value === star} aria-label={count('rate.stars', star)} onPress={() => onChange(star)} style={styles.star}>
          <Icon name="star" size={34} filled={star <= value} color={star <= value ? (palette.dark ? '#FFC46B' : '#D98200') : palette.outline} />
        </Pressable>
      ))}
    </View>
  );
}

export function Rating({ booking }: { booking: Booking }) {
  const { t, failure } = useLanguage();
  const keep = useKeepBooking();
  const [rating, setRating] = useState(0);
  const [found, setFound] = useState<Fault[]>([]);
  const [text, setText] = useState('');
  const give = useChange('giveFeedback', keep);
  if (booking.feedback) return <Notice kind="good">{t('rate.thanks')}</Notice>;
  return (
    <Card>
      <Text variant="heading" level={2} align="center">
        {t('rate.title')}
      </Text>
      <Stars value={rating} onChange={setRating} />
      {rating > 0 && (
        <>
          <Text variant="strong">{t('rate.faults')}</Text>
          <ManyChoice label={t('rate.faults')} options={faults.map((fault) => ({ value: fault, label: t(`fault.${fault}`) }))} values={found} onChange={setFound} />
          <Field label={`${t('rate.text')} (${t('common.optional')})`} value={text} onChangeText={setText} multiline maxLength={2000} />
          {give.isError && (
            <Notice kind="bad" urgent>
              {failure(give.error)}
            </Notice>
          )}
          <Button
            title={t('rate.submit')}
            busy={give.isPending}
            onPress={() => give.mutate({ params: { bookingId: booking.id }, body: { rating, faults: found, ...(text.trim() && { text: text.trim() }) } })}
          />
        </>
      )}
    </Card>
  );
}

const styles = StyleSheet.create({
  stars: { flexDirection: 'row', justifyContent: 'center' },
  star: { width: touchSize + 6, height: touchSize + 6, alignItems: 'center', justifyContent: 'center' },
});
