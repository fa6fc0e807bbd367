import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { manualClock } from '../clock/system.ts';
import { keysConformance, type KeysUnderTest } from './conformance.ts';
import { fileKeys } from './files.ts';

async function open(): Promise<KeysUnderTest & { folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'keys-'));
  const clock = manualClock(1_800_000_000_000);
  return { folder, clock, process: () => fileKeys(folder, clock), cleanUp: () => rm(folder, { recursive: true }) };
}

keysConformance('in files', open);

test('the files are whole, and readable by their owner alone', async () => {
  const { folder, process, cleanUp } = await open();
  const keys = await process();
  await Promise.all([keys.signingKey('tokens', 'ES256'), keys.secret('client:simulator')]);
  await keys.rotate('tokens', 'ES256', { acceptedForMs: 1000 });
  expect((await readdir(folder)).toSorted()).toEqual(['client_simulator.secret', 'tokens.ES256.1.jwk.json', 'tokens.ES256.jwk.json']);
  for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  await cleanUp();
});
