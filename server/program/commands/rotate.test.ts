import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { manualClock } from '../../infra/clock/system.ts';
import { readConfiguration } from '../configuration.ts';
import { openKeys } from '../stores.ts';
import { runRotate } from './rotate.ts';

let home: string;
let said = '';
const output = new Writable({ write: (chunk: Buffer, _, done) => { said += chunk.toString(); done(); } });
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'mobility-rotate-'));
  process.env['MOBILITY_HOME'] = home;
  said = '';
});
afterEach(async () => {
  delete process.env['MOBILITY_HOME'];
  delete process.env['MOBILITY_KEYS_MASTER'];
  await rm(home, { recursive: true });
});

test.each(['in files', 'sealed in the key-value store'])('a key that the command makes is the one that signs after a minute, %s', async (where) => {
  if (where !== 'in files') process.env['MOBILITY_KEYS_MASTER'] = randomBytes(32).toString('base64');
  const configuration = readConfiguration(process.env);
  const clock = manualClock(Date.now());
  const { keys, close } = await openKeys({ configuration, clock });
  const before = (await keys.signingKey('tokens', 'ES256')).keyId;
  expect(await runRotate(['tokens'], output)).toBe(0);
  const [keyId = ''] = said.split(' ');
  expect(keyId).not.toBe(before);
  expect((await keys.signingKey('tokens', 'ES256')).keyId).toBe(before);
  clock.advance(70_000);
  expect((await keys.signingKey('tokens', 'ES256')).keyId).toBe(keyId);
  expect((await keys.verificationKeys('tokens', 'ES256')).map((key) => key.keyId)).toEqual([before, keyId]);
  await close();
});

test('other keys are not rotated so', async () => {
  for (const wrong of [[], ['unlock'], ['tokens', 'unlock']]) await expect(runRotate(wrong, output)).rejects.toThrow('Usage: mobility rotate tokens');
});
