/**
 * Prices that a plan states only in words. GBFS has fields for prices per minute; some operators publish an hourly price in
 * `price` and say so in the name ("Gjennomsnittspris per time"). The words of each language are a table; nothing is guessed:
 * a figure counts only beside a currency, and figures and units have to pair up.
 */
import { minorUnits, type LocalisedText } from '../../libs/gbfs/index.ts';

export type PriceUnit = 'hour' | 'day';

interface Words { hour: RegExp; day: RegExp; decimalMark: ',' | '.' }

const scandinavian: Words = { hour: /(?:\bper|\bpr|\/)\s?(?:time|timen|t)\b/giu, day: /(?:\bper|\bpr|\/)\s?(?:dag|døgn|døgnet)(?![\p{L}])/giu, decimalMark: ',' };
const wordsByLanguage: Record<string, Words> = {
  nb: scandinavian, nn: scandinavian, no: scandinavian, da: scandinavian,
  en: { hour: /(?:\bper\s|\ban\s|\beach\s|\/\s?)(?:hour|hr|h)\b|\bhourly\b/giu, day: /(?:\bper\s|\ba\s|\beach\s|\/\s?)day\b|\bdaily\b/giu, decimalMark: '.' },
  de: { hour: /(?:\bpro\s|\bje\s|\bdie\s|\/\s?)(?:stunde|std|h)\b|\bstündlich(?![\p{L}])|\bstundenpreis\b/giu, day: /(?:\bpro\s|\bje\s|\bam\s|\/\s?)tag\b|\btäglich(?![\p{L}])|\btagespreis\b/giu, decimalMark: ',' },
};

const currencyMarks: Record<string, string> = { EUR: '€|eur(?:o)?', NOK: 'kr|nok', SEK: 'kr|sek', DKK: 'kr|dkk', GBP: '£|gbp', USD: '\\$|usd', CHF: 'chf|fr' };
const figure = String.raw`\d+(?:[ \u00a0\u202f'’.,]\d{3})*(?:[.,]\d{1,2})?(?!\d)`;

export interface PriceText { unit: PriceUnit; amountMinor: number }

const wordsOf = (tag: string): Words | undefined => wordsByLanguage[tag.toLowerCase().split('-')[0] ?? ''];

/** The unit that a name gives its price, when it names exactly one: "Average price per hour" → hour. */
export function unitInName(name: LocalisedText): PriceUnit | undefined {
  const units = new Set(Object.entries(name).flatMap(([tag, text]) => {
    const words = wordsOf(tag);
    return words ? (['hour', 'day'] as const).filter((unit) => text.search(words[unit]) >= 0) : [];
  }));
  return units.size === 1 ? [...units][0] : undefined;
}

/** Every price for an hour or a day that a text states, in minor units, one for each unit; contradictions give none. */
export function pricesInText(text: LocalisedText, currency: string): PriceText[] {
  const found = Object.entries(text).flatMap(([tag, value]) => {
    const words = wordsOf(tag);
    return words ? sentences(value).flatMap((sentence) => pricesInSentence(sentence, words, currency)) : [];
  });
  return (['hour', 'day'] as const).flatMap((unit) => {
    const amounts = new Set(found.filter((price) => price.unit === unit).map(({ amountMinor }) => amountMinor));
    const [amountMinor] = amounts;
    return amounts.size === 1 && amountMinor !== undefined ? [{ unit, amountMinor }] : [];
  });
}

/** "kr." and "pr." do not end a sentence. */
const sentences = (text: string): string[] => text.replace(/\b(kr|pr|std)\./giu, '$1').split(/\n|;|\.\s|\.$/u);

function pricesInSentence(sentence: string, words: Words, currency: string): PriceText[] {
  const units = (['hour', 'day'] as const).flatMap((unit) => [...sentence.matchAll(words[unit])].map(({ index }) => ({ unit, index }))).toSorted((a, b) => a.index - b.index);
  const marks = currencyMarks[currency] ?? currency.toLowerCase();
  const amounts = [...sentence.matchAll(new RegExp(`(?:(?:${marks}|${currency})[ \\u00a0\\u202f]?(${figure}))|(?:(${figure})[ \\u00a0\\u202f]?(?:${marks}|${currency}))`, 'giu'))];
  if (units.length === 0 || units.length !== amounts.length) return [];
  const isAmountFirst = (amounts[0]?.index ?? 0) < (units[0]?.index ?? 0);
  return units.flatMap(({ unit, index }, position): PriceText[] => {
    const match = amounts[position];
    const amount = match && figureMinor(match[1] ?? match[2] ?? '', words.decimalMark, currency);
    const isInOrder = match && (match.index < index) === isAmountFirst;
    return amount === undefined || !isInOrder ? [] : [{ unit, amountMinor: amount }];
  });
}

/** "1 011" → 1011; "1.011,50" in German → 1011.50. Undefined where marks are used against the language. */
function figureMinor(text: string, decimalMark: ',' | '.', currency: string): number | undefined {
  const spaced = text.replace(/[ \u00a0\u202f'’]/gu, '');
  const decimals = /[.,]\d{1,2}$/u.exec(spaced)?.[0] ?? '';
  const whole = spaced.slice(0, spaced.length - decimals.length);
  if (whole.includes(decimalMark)) return undefined;
  const amount = minorUnits(whole.replace(/[.,]/gu, '') + decimals.replace(',', '.'), currency);
  return amount?.exact ? amount.minor : undefined;
}
