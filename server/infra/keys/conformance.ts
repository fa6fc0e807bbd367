/** The contract suite of the keys: every adapter must pass it. */
import { compactVerify, CompactSign, importJWK } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { manualClock } from '../clock/system.ts';
import type { Keys, SigningKey } from './port.ts';

/** A store for one test, which starts empty. */
export interface KeysUnderTest {
  clock: ReturnType<typeof manualClock>;
  /** What another process has that shares the store: nothing of it is known yet. */
  process(): Promise<Keys>;
  cleanUp(): Promise<void>;
}

const minuteMs = 60_000;

async function signedBy({ privateKey, keyId, algorithm }: SigningKey): Promise<string> {
  return new CompactSign(new TextEncoder().encode('text')).setProtectedHeader({ alg: algorithm, kid: keyId }).sign(privateKey);
}

const idsOf = (keys: readonly SigningKey[]): string[] => keys.map(({ keyId }) => keyId);

/** Declares the tests of the contract for one adapter. */
export function keysConformance(name: string, open: () => Promise<KeysUnderTest>): void {
  describe(`the keys ${name}`, () => {
    let underTest: KeysUnderTest;
    beforeEach(async () => {
      underTest = await open();
    });
    afterEach(() => underTest.cleanUp());

    test.each(['EdDSA', 'ES256'] as const)('a key of %s signs, its public half verifies and tells nothing', async (algorithm) => {
      const keys = await underTest.process();
      const key = await keys.signingKey('tokens', algorithm);
      expect(key.publicJwk).toMatchObject({ kid: key.keyId, alg: algorithm, use: 'sig' });
      expect(key.publicJwk.d).toBeUndefined();
      const { payload } = await compactVerify(await signedBy(key), await importJWK(key.publicJwk, algorithm));
      await compactVerify(await signedBy(key), key.publicKey);
      expect(new TextDecoder().decode(payload)).toBe('text');
    });

    test('keys and secrets are kept, each purpose has its own', async () => {
      const [one, other] = [await underTest.process(), await underTest.process()];
      const key = await one.signingKey('tokens', 'ES256');
      const secret = await one.secret('client:simulator');
      expect((await other.signingKey('tokens', 'ES256')).privateJwk).toEqual(key.privateJwk);
      expect(await other.secret('client:simulator')).toBe(secret);
      expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
      expect((await one.signingKey('unlock', 'ES256')).keyId).not.toBe(key.keyId);
      expect((await one.signingKey('tokens', 'EdDSA')).keyId).not.toBe(key.keyId);
      expect(await one.secret('cookies')).not.toBe(secret);
    });

    test('many processes that start together have the same', async () => {
      const processes = await Promise.all(Array.from({ length: 12 }, () => underTest.process()));
      const found = await Promise.all(processes.flatMap((keys) => [keys.signingKey('tokens', 'ES256').then(({ keyId }) => keyId), keys.signingKey('tokens', 'ES256').then(({ keyId }) => keyId)]));
      expect(new Set(found).size).toBe(1);
      expect(new Set(await Promise.all(processes.map((keys) => keys.secret('peers')))).size).toBe(1);
    });

    test('a key that is rotated in is known to all before it signs, and the one before is good for as long as it has to be', async () => {
      const { clock } = underTest;
      const [one, other] = [await underTest.process(), await underTest.process()];
      const first = (await one.signingKey('tokens', 'ES256')).keyId;
      await other.signingKey('tokens', 'ES256');
      const next = await one.rotate('tokens', 'ES256', { acceptedForMs: 15 * minuteMs });
      expect(next.keyId).not.toBe(first);
      expect(next.fromMs).toBe(clock.nowMs() + minuteMs);
      clock.advance(minuteMs - 1);
      // Nobody signs with it, everybody knows it.
      for (const keys of [one, other]) {
        expect((await keys.signingKey('tokens', 'ES256')).keyId).toBe(first);
        expect(idsOf(await keys.verificationKeys('tokens', 'ES256'))).toEqual([first, next.keyId]);
      }
      clock.advance(1);
      for (const keys of [one, other]) expect((await keys.signingKey('tokens', 'ES256')).keyId).toBe(next.keyId);
      clock.advance(15 * minuteMs - 1);
      expect(idsOf(await other.verificationKeys('tokens', 'ES256'))).toEqual([first, next.keyId]);
      clock.advance(1);
      expect(idsOf(await other.verificationKeys('tokens', 'ES256'))).toEqual([next.keyId]);
      // Who starts later has the same.
      const later = await underTest.process();
      expect(idsOf(await later.verificationKeys('tokens', 'ES256'))).toEqual([next.keyId]);
      expect((await later.signingKey('tokens', 'ES256')).keyId).toBe(next.keyId);
      expect((await one.signingKey('unlock', 'EdDSA')).keyId).toBe((await later.signingKey('unlock', 'EdDSA')).keyId);
    });

    test('whoever rotates at the same time, or again too soon, gets the same next key', async () => {
      const { clock } = underTest;
      const processes = await Promise.all(Array.from({ length: 6 }, () => underTest.process()));
      const rotated = await Promise.all(processes.map((keys) => keys.rotate('tokens', 'ES256', { acceptedForMs: minuteMs })));
      expect(new Set(rotated.map(({ keyId }) => keyId)).size).toBe(1);
      expect(await processes[0]?.rotate('tokens', 'ES256', { acceptedForMs: minuteMs })).toEqual(rotated[0]);
      clock.advance(minuteMs);
      const again = await processes[1]?.rotate('tokens', 'ES256', { acceptedForMs: minuteMs });
      expect(again?.keyId).not.toBe(rotated[0]?.keyId);
      expect(await processes[2]?.verificationKeys('tokens', 'ES256')).toHaveLength(3);
      clock.advance(2 * minuteMs);
      expect(idsOf((await processes[3]?.verificationKeys('tokens', 'ES256')) ?? [])).toEqual([again?.keyId]);
    });
  });
}
