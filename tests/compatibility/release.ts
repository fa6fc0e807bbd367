/** Writes the contracts of this source down as a release: `node tests/compatibility/release.ts 0.2.0`. A release is never changed. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { currentRelease } from './schemas.ts';

const [version] = process.argv.slice(2);
if (!version || !/^\d+\.\d+\.\d+$/.test(version)) {
  process.stderr.write('Say which version: node tests/compatibility/release.ts 0.2.0\n');
  process.exit(2);
}
const path = fileURLToPath(new URL(`./released/${version}.json`, import.meta.url));
try {
  writeFileSync(path, `${JSON.stringify(currentRelease(), null, 1)}\n`, { flag: 'wx' });
  process.stdout.write(`${path}\n`);
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  process.stderr.write(`${version} is released already; choose the next number\n`);
  process.exit(1);
}
