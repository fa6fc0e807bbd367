import { expect, test } from 'vitest';
import { ConfigurationError, readConfiguration } from './configuration.ts';

test('without settings the demo starts on port 8080', () => {
  expect(readConfiguration({})).toMatchObject({ PORT: 8080, demo: true, publicUrl: 'http://localhost:8080', MOBILITY_HOME: './.mobility' });
});

test('a wrong value stops the start with a sentence that names the setting', () => {
  expect(() => readConfiguration({ PORT: 'eighty' })).toThrow(/PORT cannot be "eighty"/);
  expect(() => readConfiguration({ MOBILITY_MODE: 'prod' })).toThrow(ConfigurationError);
});

test('a misspelt setting is found', () => {
  expect(() => readConfiguration({ MOBILITY_HOEM: '/data' })).toThrow(/MOBILITY_HOEM is not a setting/);
});

test('a secret does not reach the message', () => {
  expect(() => readConfiguration({ MOBILITY_DATABASE_URL: 'not-a-url-with-password' })).toThrow(/^(?!.*not-a-url).*MOBILITY_DATABASE_URL/);
});

test('peers are read as a map', () => {
  expect(readConfiguration({ MOBILITY_PEERS: 'booking=http://a:1 | http://c:3, user=http://b:2' }).MOBILITY_PEERS).toEqual({ booking: ['http://a:1', 'http://c:3'], user: ['http://b:2'] });
  for (const wrong of ['booking=', 'booking', '=http://a:1', 'booking=ftp://a']) expect(() => readConfiguration({ MOBILITY_PEERS: wrong })).toThrow(/MOBILITY_PEERS/);
});
