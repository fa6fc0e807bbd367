import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isTest } from '../../tools/boundaries/boundaries.ts';
import { readHouse } from '../../tools/reference/house.ts';
import { sourceFiles } from '../../tools/source/source.ts';
import { CommandError } from './commands/demo-client.ts';
import { runKeys } from './commands/keys.ts';
import { keysOfModules } from './keys.ts';

/** Purposes by the names that the source has for them. */
const named: Readonly<Record<string, string[]>> = { 'purposeOf(0)': ['bundles'], 'purposeOf(row.number)': ['bundles', 'bundles-1'], 'purposeOf(each)': ['bundles', 'bundles-1'], ticketPurpose: ['archive-tickets'] };
/** The simulator signs in with it; production has none. */
const ofTheDemo = 'client:simulator';

/** What a module's source asks its keys for. */
function usedIn(folder: string): string[] {
  const texts = sourceFiles().filter(({ path }) => path.startsWith(folder) && !isTest.test(path)).map(({ text }) => text);
  const uses = texts.flatMap((text) => [...text.matchAll(/keys\.(?:signingKey|secret)\(('[^']+'|\w+(?:\([\w.]*\))?)(?:, '(\w+)')?\)/g)]);
  return [...new Set(uses.flatMap(([, purpose = '', algorithm]) => {
    const purposes = purpose.startsWith("'") ? [purpose.slice(1, -1)] : (named[purpose] ?? [`unknown ${purpose}`]);
    return purposes.map((each) => (algorithm ? `${each} ${algorithm}` : each));
  }))].filter((use) => use !== ofTheDemo).toSorted();
}

test('every key that the source of a module asks for is named, and no other', () => {
  for (const { name, folder } of readHouse()) {
    const listed = (keysOfModules[name] ?? []).map((use) => ('secret' in use ? use.secret : `${use.signingKey} ${use.algorithm}`)).toSorted();
    expect(listed, name).toEqual(usedIn(folder));
  }
});

describe('mobility keys', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mobility-keys-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('makes each once, for its owner alone, and leaves what is there', async () => {
    expect(await runKeys([folder], new PassThrough())).toBe(0);
    const files = (await readdir(folder)).toSorted();
    expect(files).toEqual(expect.arrayContaining(['peers.secret', 'database-booking.secret', 'tokens.ES256.jwk.json', 'bundles-1.EdDSA.jwk.json']));
    const contents = () => Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
    const before = await contents();
    expect(new Set(before).size).toBe(files.length);
    for (const file of files) expect((await stat(join(folder, file))).mode & 0o077).toBe(0);
    expect(await runKeys([folder], new PassThrough())).toBe(0);
    expect((await readdir(folder)).toSorted()).toEqual(files);
    expect(await contents()).toEqual(before);
  });

  test('needs one folder', async () => {
    await expect(runKeys([], new PassThrough())).rejects.toThrow(CommandError);
    await expect(runKeys([folder, folder], new PassThrough())).rejects.toThrow(CommandError);
  });
});
