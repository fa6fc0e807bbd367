/** `mobility rotate tokens`: the next key signs access tokens from a minute later on; run it as often as keys are to change. */
import { systemClock } from '../../infra/clock/system.ts';
import { readConfiguration } from '../configuration.ts';
import { openKeys } from '../stores.ts';
import { CommandError } from './demo-client.ts';

/** Longer than the longest life of a token: an ID token's hour. */
const acceptedForMs = 65 * 60_000;

/** Needs no running program; those that run take the key over by themselves. @returns the exit code @throws CommandError */
export async function runRotate([purpose, ...more]: string[], output: NodeJS.WritableStream): Promise<number> {
  // Bundle keys rotate in a chain that vehicles follow (`POST /v1/bundle-keys/rotate`); the others are for good.
  if (purpose !== 'tokens' || more.length > 0) throw new CommandError('Usage: mobility rotate tokens');
  const configuration = readConfiguration(process.env);
  const { keys, close } = await openKeys({ configuration, clock: systemClock(configuration.MOBILITY_CLOCK_OFFSET_SECONDS * 1000) });
  try {
    const { keyId, fromMs } = await keys.rotate('tokens', 'ES256', { acceptedForMs });
    output.write(`${keyId} signs from ${new Date(fromMs).toISOString()} on; the one before is accepted for another ${acceptedForMs / 60_000} minutes\n`);
  } finally {
    await close();
  }
  return 0;
}
