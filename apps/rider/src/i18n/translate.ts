/** Sentences by key, with what changes filled in. Pure: no screen, no storage. */
import { de } from './de';
import { en, type MessageKey } from './en';
import { failuresDe } from './failures.de';
import { failuresEn } from './failures.en';
import type { FailureCode } from '../api/failure';

export type Locale = 'en' | 'de';
export type { MessageKey };
export type Values = Record<string, string | number>;

const catalogues: Record<Locale, Record<MessageKey, string>> = { en, de };
const failures: Record<Locale, Record<FailureCode, string>> = { en: failuresEn, de: failuresDe };
/** For numbers, dates and units: English the European way. */
export const formatLocales: Record<Locale, string> = { en: 'en-GB', de: 'de-DE' };

/** A value that is missing leaves its braces, which a test finds and a rider can report. */
export function fill(sentence: string, values: Values = {}): string {
  return sentence.replace(/\{(\w+)\}/g, (braces, name: string) => String(values[name] ?? braces));
}

export function translate(locale: Locale, key: MessageKey, values?: Values): string {
  return fill(catalogues[locale][key], values);
}

type CountedKey = { [Key in MessageKey]: Key extends `${infer Stem}.one` ? (`${Stem}.other` extends MessageKey ? Stem : never) : never }[MessageKey];

/** A sentence with a number in it, in the form that the number asks for; `{count}` is the number. */
export function translateCount(locale: Locale, stem: CountedKey, count: number, values?: Values): string {
  const form = new Intl.PluralRules(locale).select(count) === 'one' ? 'one' : 'other';
  return translate(locale, `${stem}.${form}`, { count: new Intl.NumberFormat(formatLocales[locale]).format(count), ...values });
}

export function translateFailure(locale: Locale, code: FailureCode): string {
  return failures[locale][code];
}

/** The first language of a list of BCP 47 tags that there is a catalogue for; English without one. */
export function chooseLocale(tags: readonly string[]): Locale {
  for (const tag of tags) {
    const language = tag.slice(0, 2).toLowerCase();
    if (language === 'en' || language === 'de') return language;
  }
  return 'en';
}

export function isFailureCode(code: string): code is FailureCode {
  return Object.hasOwn(failuresEn, code);
}
