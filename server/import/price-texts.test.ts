import { describe, expect, it } from 'vitest';
import { pricesInText, unitInName } from './price-texts.ts';

describe('prices in words', () => {
  it.each([
    ['nb-NO', 'NOK', 'Gjennomsnittspris per time kr\u00a0126.\nGjennomsnittspris per dag kr\u00a01 011.', [['hour', 12600], ['day', 101100]]],
    ['nb', 'NOK', 'Pris pr. time kr. 89,50. Pris pr. døgn kr. 1.011', [['hour', 8950], ['day', 101100]]],
    ['da', 'DKK', '45 kr per time, 300 kr per dag', [['hour', 4500], ['day', 30000]]],
    ['en', 'EUR', '€12.50 per hour, €1,060 per day', [['hour', 1250], ['day', 106000]]],
    ['en-GB', 'GBP', 'Daily £60; hourly £8', [['hour', 800], ['day', 6000]]],
    ['de', 'EUR', '9,90 € pro Stunde, höchstens 1.059 € am Tag', [['hour', 990], ['day', 105900]]],
    ['de-CH', 'CHF', "CHF 12.50/Stunde", [['hour', 1250]]],
    ['de', 'EUR', 'EUR 7 / Std.; EUR 49 / Tag', [['hour', 700], ['day', 4900]]],
  ] as const)('%s: %s %j', (language, currency, text, expected) => {
    expect(pricesInText({ [language]: text }, currency)).toEqual(expected.map(([unit, amountMinor]) => ({ unit, amountMinor })));
  });

  it.each([
    ['a language without a table', 'fi', 'EUR', '5 € per hour'],
    ['no currency beside the figure', 'en', 'EUR', '200 km per day'],
    ['minutes', 'nb', 'NOK', 'Hvis sykkelturen varer i mer enn 60 minutter, påløper et bruksgebyr på 20.0 NOK den første halvtimen, og 40.0 NOK for alle påbegynte halvtimer etter det.'],
    ['more figures than units', 'en', 'EUR', '€5 or €6 per hour'],
    ['another currency', 'en', 'EUR', '£5 per hour'],
    ['two prices for an hour', 'en', 'EUR', '€5 per hour. €6 per hour'],
    ['marks against the language', 'de', 'EUR', '1,059 € pro Tag'],
    ['a longer word', 'en', 'EUR', '€5 per hourglass'],
    ['nothing', 'en', 'EUR', ''],
  ])('takes nothing from %s', (_, language, currency, text) => expect(pricesInText({ [language]: text }, currency)).toEqual([]));

  it('takes what all languages agree on', () => {
    expect(pricesInText({ en: '€5 per hour', de: '5 € pro Stunde' }, 'EUR')).toEqual([{ unit: 'hour', amountMinor: 500 }]);
    expect(pricesInText({ en: '€5 per hour', de: '6 € pro Stunde' }, 'EUR')).toEqual([]);
  });

  it.each([
    [{ 'nb-NO': 'Gjennomsnittspris per time' }, 'hour'], [{ en: 'Average price per day' }, 'day'], [{ de: 'Stundenpreis' }, 'hour'], [{ en: 'Hourly', de: 'Täglich' }, undefined],
    [{ en: 'Season ticket' }, undefined], [{ nb: 'sesongkort' }, undefined], [{ nb: '3-dagerskort' }, undefined], [{ en: 'Per hour or per day' }, undefined],
  ] as const)('the name %j says %s', (name, unit) => expect(unitInName(name)).toBe(unit));
});
