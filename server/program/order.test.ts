import { describe, expect, test } from 'vitest';
import type { Module } from '../module.ts';
import { inOrderOfNeeds } from './order.ts';

const module = (name: string, ...needs: string[]): Module => ({ name, needs, start: async () => ({}) });
const names = (modules: Module[]) => modules.map(({ name }) => name);

describe('the order of modules', () => {
  test('each comes after those that it needs', () => {
    expect(names(inOrderOfNeeds([module('gateway', 'booking', 'user'), module('booking', 'user'), module('user')]))).toEqual(['user', 'booking', 'gateway']);
  });
  test('a circle is refused and shown', () => {
    expect(() => inOrderOfNeeds([module('a', 'b'), module('b', 'c'), module('c', 'a')])).toThrow('a → b → c → a');
  });
  test('a need that nobody serves is named; one that runs elsewhere is fine', () => {
    expect(() => inOrderOfNeeds([module('a', 'b')])).toThrow('module a needs b');
    expect(names(inOrderOfNeeds([module('a', 'b')], ['b']))).toEqual(['a']);
  });
  test('a name that is there twice is refused', () => {
    expect(() => inOrderOfNeeds([module('a'), module('a')])).toThrow('twice');
  });
});
