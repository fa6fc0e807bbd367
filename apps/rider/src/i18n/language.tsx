/** The language of the app, for every screen. */
import { getLocales } from 'expo-localization';
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import { formatDistance } from '../domain/distance';
import { formatMinutes } from '../domain/duration';
import { formatMoney } from '../domain/money';
import { Failure } from '../api/failure';
import { readStored, writeStored } from '../session/storage';
import { chooseLocale, formatLocales, isFailureCode, type Locale, translate, translateCount, translateFailure } from './translate';

const storageName = 'mobility.locale';

type Bound<F> = F extends (locale: Locale, ...rest: infer Rest) => string ? (...rest: Rest) => string : never;

export interface Language {
  locale: Locale;
  setLocale: (locale: Locale) => void;
  /** Takes the language of the account, unless one was chosen on this device. */
  adoptLocale: (locale: Locale) => void;
  t: Bound<typeof translate>;
  count: Bound<typeof translateCount>;
  /** Any error in words; what is no Failure counts as a fault of ours. */
  failure: (error: unknown) => string;
  /** A problem code that an answer carries; an unknown one counts as a fault of ours. */
  failureByCode: (code: string) => string;
  money: (amountMinor: number, currency: string) => string;
  distance: (metres: number) => string;
  minutes: (minutes: number) => string;
  /** `14:05` today, `Mon 14:05` within the week, the date otherwise. */
  time: (instant: string) => string;
  date: (instant: string) => string;
}

const LanguageContext = createContext<Language | undefined>(undefined);

export function useLanguage(): Language {
  const language = useContext(LanguageContext);
  if (!language) throw new Error('useLanguage needs a LanguageProvider above it');
  return language;
}

function describeTime(instant: string, tag: string): string {
  const date = new Date(instant);
  const sameDay = date.toDateString() === new Date().toDateString();
  const near = Math.abs(date.getTime() - Date.now()) < 6 * 86_400_000;
  return date.toLocaleString(tag, {
    hour: '2-digit',
    minute: '2-digit',
    ...(sameDay ? {} : near ? { weekday: 'short' } : { day: 'numeric', month: 'short' }),
  });
}

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [locale, choose] = useState<Locale>(() => chooseLocale(getLocales().map((each) => each.languageTag)));

  useEffect(() => {
    void readStored(storageName).then((stored) => {
      if (stored === 'en' || stored === 'de') choose(stored);
    });
  }, []);

  useEffect(() => {
    if (typeof document !== 'undefined') document.documentElement.lang = locale;
  }, [locale]);

  const setLocale = useCallback((chosen: Locale) => {
    choose(chosen);
    void writeStored(storageName, chosen);
  }, []);

  const adoptLocale = useCallback((preferred: Locale) => {
    void readStored(storageName).then((stored) => {
      if (stored === undefined) choose(preferred);
    });
  }, []);

  const language = useMemo<Language>(() => {
    const tag = formatLocales[locale];
    return {
      locale,
      setLocale,
      adoptLocale,
      t: (...rest) => translate(locale, ...rest),
      count: (...rest) => translateCount(locale, ...rest),
      failure: (error) => translateFailure(locale, error instanceof Failure ? error.code : 'internal'),
      failureByCode: (code) => translateFailure(locale, isFailureCode(code) ? code : 'internal'),
      money: (amountMinor, currency) => formatMoney(amountMinor, currency, tag),
      distance: (metres) => formatDistance(metres, tag),
      minutes: (minutes) => formatMinutes(minutes, tag),
      time: (instant) => describeTime(instant, tag),
      date: (instant) => new Date(instant).toLocaleDateString(tag, { day: 'numeric', month: 'short', year: 'numeric' }),
    };
  }, [locale, setLocale, adoptLocale]);
  return <LanguageContext.Provider value={language}>{children}</LanguageContext.Provider>;
}
