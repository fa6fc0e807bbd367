import { Choice } from '../design/Choice';
import { useLanguage } from '../i18n/language';

/** English or German, at once. */
export function LanguageSwitch({ onChange }: { onChange?: (locale: 'en' | 'de') => void }) {
  const { t, locale, setLocale } = useLanguage();
  return (
    <Choice
      label={t('profile.language')}
      options={[
        { value: 'en', label: t('profile.language.en') },
        { value: 'de', label: t('profile.language.de') },
      ]}
      value={locale}
      onChange={(chosen) => {
        setLocale(chosen);
        onChange?.(chosen);
      }}
    />
  );
}
