import { expect, test } from 'vitest';
import { problems } from '../../../../server/wire/problem.ts';
import { de } from './de';
import { en } from './en';
import { failuresDe } from './failures.de';
import { failuresEn } from './failures.en';
import { chooseLocale, fill, translate, translateCount, translateFailure } from './translate';

const braces = (sentence: string): string[] => [...sentence.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name).sort();

test('both languages have the same keys', () => {
  expect(Object.keys(de).sort()).toEqual(Object.keys(en).sort());
  expect(Object.keys(failuresDe).sort()).toEqual(Object.keys(failuresEn).sort());
});

test('no sentence is empty, and both languages fill in the same values', () => {
  for (const [key, sentence] of Object.entries(en)) {
    const german = de[key as keyof typeof en];
    expect(sentence.trim(), key).not.toBe('');
    expect(german.trim(), key).not.toBe('');
    expect(braces(german), key).toEqual(braces(sentence));
  }
});

test('every problem of the platform has a sentence in both languages', () => {
  for (const code of Object.keys(problems)) {
    expect(failuresEn, code).toHaveProperty(code);
    expect(failuresDe, code).toHaveProperty(code);
  }
});

test('values are filled in, and a missing one stays visible', () => {
  expect(fill('{a} of {b}', { a: 1 })).toBe('1 of {b}');
  expect(translate('de', 'vehicle.inBay', { bay: 'Zeil' })).toBe('Steht auf Zeil');
});

test('numbers choose their form', () => {
  expect(translateCount('en', 'explore.count', 1)).toBe('1 vehicle');
  expect(translateCount('en', 'explore.count', 1200)).toBe('1,200 vehicles');
  expect(translateCount('de', 'explore.count', 1200)).toBe('1.200 Fahrzeuge');
});

test('the first known language of a device is taken, English without one', () => {
  expect(chooseLocale(['fr-FR', 'de-AT', 'en'])).toBe('de');
  expect(chooseLocale(['nb-NO'])).toBe('en');
  expect(translateFailure('de', 'vehicle-taken')).toMatch(/schneller/);
});
