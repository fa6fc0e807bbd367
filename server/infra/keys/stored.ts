/** Keys over a store of texts that are written once: numbered keys of each purpose, of which the last in use signs. */
import { randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import type { Clock } from '../clock/port.ts';
import type { Keys, SigningKey } from './port.ts';

/** Where the texts are. A name has lower case letters, digits and dots, dashes and underlines. */
export interface KeyTexts {
  read(name: string): Promise<string | undefined>;
  /** Writes unless there is one, whole or not at all. */
  writeOnce(name: string, text: string): Promise<void>;
}

/** Who has looked since then need not look whether there is a next key; after that somebody looks while all go on. */
const freshForMs = 20_000;
/** Who has not looked for so long looks before it goes on. */
const knownForMs = 45_000;
/** A new key signs when everybody has looked. */
const learnedWithinMs = 60_000;
/** A store that hangs holds nobody up for longer, and is left alone for a while. */
const lookWithinMs = 2_000;
const lookAgainAfterMs = 5_000;

/** The first key of a purpose is its bare JWK; those after it say from when on they sign. */
interface LaterKey {
  jwk: JWK;
  fromMs: number;
  /** Until when signatures of the key before are good. */
  previousUntilMs: number;
}

interface NumberedKey extends SigningKey {
  fromMs: number;
  previousUntilMs: number;
}

interface KeyRing {
  keys: readonly NumberedKey[];
  readAtMs: number;
}

async function withPublicHalf(bare: JWK, algorithm: SigningKey['algorithm']): Promise<SigningKey> {
  const keyId = await calculateJwkThumbprint(bare);
  const privateJwk: JWK = { ...bare, kid: keyId, alg: algorithm, use: 'sig' };
  const { d: _secret, ...publicJwk } = privateJwk;
  const [privateKey, publicKey] = (await Promise.all([importJWK(privateJwk, algorithm), importJWK(publicJwk, algorithm)])) as [CryptoKey, CryptoKey];
  return { keyId, algorithm, privateKey, publicKey, privateJwk, publicJwk };
}

async function newJwk(algorithm: SigningKey['algorithm']): Promise<JWK> {
  const pair = await generateKeyPair(algorithm, { extractable: true });
  return exportJWK(pair.privateKey);
}

class StoredKeys implements Keys {
  readonly #texts: KeyTexts;
  readonly #clock: Clock;
  readonly #rings = new Map<string, Promise<KeyRing>>();
  /** Looks that are on their way. */
  readonly #looking = new Map<string, Promise<KeyRing>>();
  readonly #secrets = new Map<string, Promise<string>>();

  constructor(texts: KeyTexts, clock: Clock) {
    this.#texts = texts;
    this.#clock = clock;
  }

  async signingKey(purpose: string, algorithm: SigningKey['algorithm']): Promise<SigningKey> {
    const { keys } = await this.#ring(purpose, algorithm);
    const current = keys.findLast(({ fromMs }) => fromMs <= this.#clock.nowMs());
    if (!current) throw new Error(`there is no key of ${purpose}`);
    return current;
  }

  async verificationKeys(purpose: string, algorithm: SigningKey['algorithm']): Promise<readonly SigningKey[]> {
    const { keys } = await this.#ring(purpose, algorithm);
    const nowMs = this.#clock.nowMs();
    return keys.filter((_, index) => nowMs < (keys[index + 1]?.previousUntilMs ?? Number.POSITIVE_INFINITY));
  }

  async rotate(purpose: string, algorithm: SigningKey['algorithm'], { acceptedForMs }: { acceptedForMs: number }): Promise<{ keyId: string; fromMs: number }> {
    const { keys } = await this.#current(purpose, algorithm);
    const nowMs = this.#clock.nowMs();
    const last = keys.at(-1);
    if (last && last.fromMs > nowMs) return { keyId: last.keyId, fromMs: last.fromMs };
    const fromMs = nowMs + learnedWithinMs;
    const next: LaterKey = { jwk: await newJwk(algorithm), fromMs, previousUntilMs: fromMs + acceptedForMs };
    await this.#texts.writeOnce(nameOf(purpose, algorithm, keys.length), JSON.stringify(next));
    // Somebody else may have been faster: what counts is what is there.
    const made = (await this.#current(purpose, algorithm)).keys[keys.length];
    if (!made) throw new Error(`the next key of ${purpose} was not kept`);
    return { keyId: made.keyId, fromMs: made.fromMs };
  }

  secret(purpose: string): Promise<string> {
    return kept(this.#secrets, purpose, async () => {
      const name = `${purpose.replaceAll(/[^a-z0-9-]/g, '_')}.secret`;
      const known = await this.#texts.read(name);
      if (known) return known;
      await this.#texts.writeOnce(name, randomBytes(32).toString('base64url'));
      return this.#written(name);
    });
  }

  async #written(name: string): Promise<string> {
    const text = await this.#texts.read(name);
    if (!text) throw new Error(`${name} was not kept`);
    return text;
  }

  /** The keys of a purpose, in their order, as they were within the last seconds. What is known stays good while the store is away. */
  async #ring(purpose: string, algorithm: SigningKey['algorithm']): Promise<KeyRing> {
    const key = `${purpose}.${algorithm}`;
    const known = await kept(this.#rings, key, () => this.#begin(purpose, algorithm));
    const ageMs = this.#clock.nowMs() - known.readAtMs;
    if (ageMs < freshForMs) return known;
    const refreshed = kept(this.#looking, key, () => this.#look(purpose, algorithm, known));
    return ageMs < knownForMs ? known : Promise.race([refreshed, after(lookWithinMs, known)]);
  }

  async #look(purpose: string, algorithm: SigningKey['algorithm'], known: KeyRing): Promise<KeyRing> {
    const key = `${purpose}.${algorithm}`;
    const ring = await this.#continue(purpose, algorithm, known).catch(() => ({ keys: known.keys, readAtMs: this.#clock.nowMs() - freshForMs + lookAgainAfterMs }));
    this.#rings.set(key, Promise.resolve(ring));
    this.#looking.delete(key);
    return ring;
  }

  /** As they are in the store at this moment. @throws what the store throws */
  async #current(purpose: string, algorithm: SigningKey['algorithm']): Promise<KeyRing> {
    const ring = await this.#continue(purpose, algorithm, await this.#ring(purpose, algorithm));
    this.#rings.set(`${purpose}.${algorithm}`, Promise.resolve(ring));
    return ring;
  }

  async #begin(purpose: string, algorithm: SigningKey['algorithm']): Promise<KeyRing> {
    const name = nameOf(purpose, algorithm, 0);
    let text = await this.#texts.read(name);
    if (!text) {
      await this.#texts.writeOnce(name, JSON.stringify(await newJwk(algorithm)));
      text = await this.#written(name);
    }
    const first: NumberedKey = { ...(await withPublicHalf(JSON.parse(text) as JWK, algorithm)), fromMs: 0, previousUntilMs: 0 };
    return this.#continue(purpose, algorithm, { keys: [first], readAtMs: 0 });
  }

  /** With the keys that were made since. */
  async #continue(purpose: string, algorithm: SigningKey['algorithm'], { keys }: KeyRing): Promise<KeyRing> {
    const readAtMs = this.#clock.nowMs();
    const all = [...keys];
    for (;;) {
      const text = await this.#texts.read(nameOf(purpose, algorithm, all.length));
      if (!text) return { keys: all, readAtMs };
      const { jwk, fromMs, previousUntilMs } = JSON.parse(text) as LaterKey;
      all.push({ ...(await withPublicHalf(jwk, algorithm)), fromMs, previousUntilMs });
    }
  }
}

const nameOf = (purpose: string, algorithm: SigningKey['algorithm'], number: number): string => (number === 0 ? `${purpose}.${algorithm}.jwk.json` : `${purpose}.${algorithm}.${number}.jwk.json`);

/** The timer holds no process. */
const after = <Value>(ms: number, value: Value): Promise<Value> => new Promise((resolve) => void setTimeout(resolve, ms, value).unref());

/** One question for all who ask at once; a failed one is asked again. */
function kept<Value>(known: Map<string, Promise<Value>>, key: string, find: () => Promise<Value>): Promise<Value> {
  const before = known.get(key);
  if (before) return before;
  const found = find();
  known.set(key, found);
  found.catch(() => known.get(key) === found && known.delete(key));
  return found;
}

export const storedKeys = (texts: KeyTexts, clock: Clock): Keys => new StoredKeys(texts, clock);
