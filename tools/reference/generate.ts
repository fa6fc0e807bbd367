/** Writes docs/reference and the state machines in the READMEs: `node tools/reference/generate.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { repositoryRoot } from '../source/source.ts';
import { generatedFiles } from './files.ts';

for (const [path, text] of generatedFiles()) {
  mkdirSync(dirname(join(repositoryRoot, path)), { recursive: true });
  writeFileSync(join(repositoryRoot, path), text);
  process.stdout.write(`${path}\n`);
}
