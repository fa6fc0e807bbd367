/**
 * The keys of an installation: which module signs or proves itself with which. Embedded, a process makes what it misses at the first
 * use; where processes share keys out of a secret store that they cannot write to, `mobility keys` makes all of them before.
 */
import type { Keys, SigningKey } from '../infra/keys/port.ts';

export type KeyUse = { secret: string } | { signingKey: string; algorithm: SigningKey['algorithm'] };

/** Bundle keys rotate (`POST /v1/bundle-keys/rotate`): the next one is there before it is needed. */
const bundleKeys: readonly KeyUse[] = ['bundles', 'bundles-1'].map((signingKey) => ({ signingKey, algorithm: 'EdDSA' }));

/** By module; those of all modules alike are in `keysOfEvery`. Tests compare them with the source. */
export const keysOfModules: Readonly<Record<string, readonly KeyUse[]>> = {
  booking: [{ signingKey: 'unlock', algorithm: 'EdDSA' }],
  gateway: [{ signingKey: 'tokens', algorithm: 'ES256' }, { secret: 'cookies' }, { secret: 'sign-in-forms' }],
  iot: [{ signingKey: 'unlock', algorithm: 'EdDSA' }, { signingKey: 'device-authority', algorithm: 'ES256' }, { signingKey: 'mqtt-broker', algorithm: 'ES256' }, { secret: 'mqtt-tickets' }],
  rollout: [...bundleKeys, { signingKey: 'archive-tickets', algorithm: 'EdDSA' }],
  user: [{ secret: 'user-digests' }],
};

/** What every process needs: to be known by the others, and by the database. */
export const keysOfEvery = (module: string): readonly KeyUse[] => [{ secret: 'peers' }, { secret: `database-${module}` }];

/** Makes what is missing. @returns how many keys there are */
export async function makeKeys(keys: Keys, modules: readonly string[]): Promise<number> {
  const uses = new Map(modules.flatMap((module) => [...keysOfEvery(module), ...(keysOfModules[module] ?? [])]).map((use) => [JSON.stringify(use), use]));
  for (const use of uses.values()) await ('secret' in use ? keys.secret(use.secret) : keys.signingKey(use.signingKey, use.algorithm));
  return uses.size;
}
