/** `mobility keys FOLDER`: every key of an installation, one file each, for a secret store. */
import { parseArgs } from 'node:util';
import { systemClock } from '../../infra/clock/system.ts';
import { fileKeys } from '../../infra/keys/files.ts';
import { modulesOfTarget } from '../../targets.ts';
import { makeKeys } from '../keys.ts';
import { CommandError } from './demo-client.ts';

/** Makes what is missing and leaves what is there. @returns the exit code @throws CommandError without a folder */
export async function runKeys(rest: string[], output: NodeJS.WritableStream): Promise<number> {
  const { values, positionals: [folder, ...more] } = parseArgs({ args: rest, allowPositionals: true, options: { target: { type: 'string', default: 'all' } } });
  if (!folder || more.length > 0) throw new CommandError('Usage: mobility keys FOLDER [--target=booking,payment | all]');
  const count = await makeKeys(await fileKeys(folder, systemClock()), modulesOfTarget(values.target));
  output.write(`${count} keys are in ${folder}; whoever has them can speak for the platform\n`);
  return 0;
}
