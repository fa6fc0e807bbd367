/** `node tools/new-module/create.ts services/kyc`: the rooms of a new module, with an example in each. */
import { repositoryRoot } from '../source/source.ts';
import { createModule } from './rooms.ts';

const [place] = process.argv.slice(2);
if (!place) {
  process.stderr.write('Say where: node tools/new-module/create.ts services/kyc\n');
  process.exit(2);
}
try {
  process.stdout.write(`${createModule(repositoryRoot, place).join('\n')}\n\nNow add the module to server/targets.ts, run \`node tools/reference/generate.ts\` and \`npm test\`, and replace the example.\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}
