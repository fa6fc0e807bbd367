import { useMemo, useState } from 'react';
import { StyleSheet, View } from 'react-native';
import { Choice } from '../design/Choice';
import { Text } from '../design/Text';
import { space } from '../design/theme';
import { startDays, startTimes } from '../domain/start';
import { useLanguage } from '../i18n/language';
import { formatLocales } from '../i18n/translate';

interface StartPickerProps {
  /** An instant, or undefined for now. */
  value: string | undefined;
  onChange: (startsAt: string | undefined) => void;
}

/** Now, or a half hour within the next week. */
export function StartPicker({ value, onChange }: StartPickerProps) {
  const { t, locale } = useLanguage();
  const [now] = useState(() => new Date());
  const [day, setDay] = useState<number>();
  const days = useMemo(() => startDays(now).filter((each) => startTimes(each, now).length > 0), [now]);
  const times = useMemo(() => (day === undefined ? [] : startTimes(new Date(day), now)), [day, now]);
  const tag = formatLocales[locale];

  const chooseDay = (chosen: number | undefined): void => {
    setDay(chosen);
    const all = chosen === undefined ? [] : startTimes(new Date(chosen), now);
    // The morning of a later day is what people mean; today it is the next half hour.
    onChange((all.find((time) => time.getHours() >= 9) ?? all[0])?.toISOString());
  };

  return (
    <View style={styles.picker}>
      <Text variant="strong">{t('quote.start')}</Text>
      <View style={styles.edge}>
        <Choice
          scrolling
          label={t('quote.start.day')}
          options={[{ value: undefined, label: t('quote.start.now') }, ...days.map((each) => ({ value: each.getTime(), label: each.toLocaleDateString(tag, { weekday: 'short', day: 'numeric', month: 'short' }) }))]}
          value={day}
          onChange={chooseDay}
        />
      </View>
      {day !== undefined && (
        <View style={styles.edge}>
          <Choice scrolling label={t('quote.start.time')} options={times.map((time) => ({ value: time.toISOString(), label: time.toLocaleTimeString(tag, { hour: '2-digit', minute: '2-digit' }) }))} value={value} onChange={onChange} />
        </View>
      )}
    </View>
  );
}

const styles = StyleSheet.create({ picker: { gap: space.small }, edge: { marginHorizontal: -space.large } });
