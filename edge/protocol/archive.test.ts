import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ArchiveError, type ArchiveFile, readArchive, writeArchive } from './archive.ts';

async function filesOf(archive: Uint8Array, limits?: Parameters<typeof readArchive>[1]): Promise<ArchiveFile[]> {
  const files: ArchiveFile[] = [];
  for await (const file of readArchive([archive], limits)) files.push({ path: file.path, bytes: Buffer.from(file.bytes) });
  return files;
}
const file = (path: string, text = 'x') => ({ path, bytes: Buffer.from(text) });

/** The archive with bytes of its first header changed, and the checksum made right again. */
function withHeader(change: (header: Buffer) => void): Uint8Array {
  const tar = Buffer.from(gunzipSync(writeArchive([file('main.ts', 'hello')])));
  const header = tar.subarray(0, 512);
  change(header);
  header.write('        ', 148, 'latin1');
  header.write(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return gzipSync(tar);
}

test('WIRE-09: what is packed is unpacked again, and the same files give the same archive', async () => {
  const segment = fc.stringMatching(/^[a-z0-9_-]{1,12}$/);
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.tuple(fc.array(segment, { minLength: 1, maxLength: 12 }), fc.uint8Array({ maxLength: 1500 })), { selector: ([path]) => path[0] ?? '', minLength: 1, maxLength: 8 }), async (entries) => {
      const files = entries.map(([path, bytes]) => ({ path: path.join('/'), bytes: Buffer.from(bytes) }));
      const archive = writeArchive(files);
      expect(writeArchive(files.toReversed())).toEqual(archive);
      expect(await filesOf(archive)).toEqual(files.toSorted((a, b) => (a.path < b.path ? -1 : 1)));
    }),
    { numRuns: 60 },
  );
});

test.each<[string, (header: Buffer) => void]>([
  ['a path that leads out', (header) => header.write('../evil', 0, 'latin1')],
  ['a path that leads out further in', (header) => header.write('a/../../evil\0', 0, 'latin1')],
  ['an absolute path', (header) => header.write('/etc/passwd\0', 0, 'latin1')],
  ['a prefix that leads out', (header) => header.write('..', 345, 'latin1')],
  ['a backslash', (header) => header.write('a\\b', 0, 'latin1')],
  ['a link', (header) => header.write('1', 156, 'latin1')],
  ['a symbolic link', (header) => header.write('2', 156, 'latin1')],
  ['a device', (header) => header.write('3', 156, 'latin1')],
  ['an extended header', (header) => header.write('x', 156, 'latin1')],
  ['a size that is none', (header) => header.write('-0000000001', 124, 'latin1')],
  ['a size beyond the end', (header) => header.write('00000100000', 124, 'latin1')],
  ['another format', (header) => header.write('nustar', 257, 'latin1')],
])('WIRE-10: an archive with %s is refused', async (_, change) => {
  await expect(filesOf(withHeader(change))).rejects.toThrow(ArchiveError);
});

test('WIRE-10: paths that are there twice, nothing at all, rubbish, and what follows the end are refused', async () => {
  expect(() => writeArchive([file('a'), file('a/b')])).toThrow(ArchiveError);
  expect(() => writeArchive([file('a'), file('a')])).toThrow(ArchiveError);
  expect(() => writeArchive([file('../a')])).toThrow(ArchiveError);
  const one = gunzipSync(writeArchive([file('a')]));
  const entry = one.subarray(0, 1024);
  await expect(filesOf(gzipSync(Buffer.concat([entry, one])))).rejects.toThrow('twice');
  await expect(filesOf(gzipSync(Buffer.concat([one, entry])))).rejects.toThrow('follows');
  await expect(filesOf(gzipSync(Buffer.alloc(1024)))).rejects.toThrow('no files');
  await expect(filesOf(Buffer.from('no archive'))).rejects.toThrow(ArchiveError);
});

test('WIRE-10: an archive that is cut anywhere is refused', async () => {
  const archive = writeArchive([file('main.ts', 'hello'), file('zones/city.json', '{}')]);
  for (let length = 0; length < archive.length; length++) await expect(filesOf(archive.subarray(0, length)), `cut at ${length}`).rejects.toThrow(ArchiveError);
});

test('WIRE-11: an archive that would grow beyond its bounds is refused before it is held', async () => {
  const bomb = writeArchive([{ path: 'zeros', bytes: Buffer.alloc(30 * 1024 * 1024) }]);
  expect(bomb.length).toBeLessThan(100_000);
  await expect(filesOf(bomb, { maximumTotalBytes: 1000, maximumFiles: 2 })).rejects.toThrow('too large');
  await expect(filesOf(bomb, { maximumFileBytes: 1000 })).rejects.toThrow('too large');
  await expect(filesOf(writeArchive([file('a'), file('b')]), { maximumFiles: 1 })).rejects.toThrow('more than 1');
});
