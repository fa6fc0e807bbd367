import { mkdir, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { blobsConformance, type BlobsUnderTest } from './conformance.ts';
import { openFileBlobs } from './files.ts';

async function open(): Promise<BlobsUnderTest> {
  const around = await mkdtemp(join(tmpdir(), 'blobs-'));
  const location = join(around, 'store');
  const opened: BlobsUnderTest = {
    blobs: await openFileBlobs({ folder: location }),
    location,
    async reopen() {
      await opened.blobs.close();
      opened.blobs = await openFileBlobs({ folder: location });
      return opened.blobs;
    },
    async cleanUp() {
      await opened.blobs.close();
      // Whatever a test has asked for, nothing has left the store.
      expect(await readdir(around)).toEqual(['store']);
      await rm(around, { recursive: true });
    },
  };
  return opened;
}

blobsConformance('in files', { open, module: new URL('./files-under-test.ts', import.meta.url) });

test('a file that was cut off is an error, not an object', async () => {
  const { blobs, location, cleanUp } = await open();
  await blobs.putIfAbsent('a/one', Buffer.from('0123456789'), 'text/plain');
  const path = join(location, 'objects/a/one~');
  const whole = await readFile(path);
  for (const length of [whole.length - 1, whole.length - 11, 20, 5, 0]) {
    await truncate(path, length);
    await expect(blobs.get('a/one')).rejects.toThrow('a/one is damaged');
    await expect(blobs.head('a/one')).rejects.toThrow('a/one is damaged');
  }
  await writeFile(path, Buffer.concat([Buffer.from('XXXX'), whole.subarray(4)]));
  await expect(blobs.get('a/one')).rejects.toThrow('does not begin as an object');
  await writeFile(path, whole);
  expect((await blobs.get('a/one'))?.bytes).toHaveLength(10);
  await cleanUp();
});

test('what a kill has left half written is never an object, and goes after an hour', async () => {
  const { location, blobs, reopen, cleanUp } = await open();
  const incoming = join(location, 'incoming');
  await writeFile(join(incoming, 'old'), 'half');
  await writeFile(join(incoming, 'young'), 'half');
  const twoHoursAgo = new Date(Date.now() - 2 * 3_600_000);
  await utimes(join(incoming, 'old'), twoHoursAgo, twoHoursAgo);
  expect(await blobs.list('')).toEqual([]);
  await reopen();
  expect(await readdir(incoming)).toEqual(['young']);
  await cleanUp();
});

test('files that are not ours are not listed', async () => {
  const { location, blobs, cleanUp } = await open();
  await mkdir(join(location, 'objects/lost+found'));
  await writeFile(join(location, 'objects/notes.txt'), 'x');
  await blobs.putIfAbsent('one', Buffer.from('x'), 'text/plain');
  expect((await blobs.list('')).map(({ key }) => key)).toEqual(['one']);
  await cleanUp();
});
