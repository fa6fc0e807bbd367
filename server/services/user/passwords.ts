/** Passwords by Argon2id (RFC 9106) with the parameters that OWASP names, in the PHC string format. */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { bulkhead, BulkheadRejectedError } from 'cockatiel';
import { Problem } from '../../wire/problem.ts';

const derive = promisify(argon2);

/** 19 MiB and two passes: the least that OWASP recommends for one lane. */
const current = { memory: 19_456, passes: 2, parallelism: 1 };
const saltBytes = 16;
const tagBytes = 32;

interface StoredPassword {
  memory: number;
  passes: number;
  parallelism: number;
  salt: Buffer;
  tag: Buffer;
}

const pattern = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

function readStored(text: string): StoredPassword {
  const [, memory, passes, parallelism, salt, tag] = pattern.exec(text) ?? [];
  if (!memory || !passes || !parallelism || !salt || !tag) throw new Error('stored password hash has an unknown format');
  return { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism), salt: Buffer.from(salt, 'base64'), tag: Buffer.from(tag, 'base64') };
}

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');

export interface Passwords {
  /** @throws Problem `too-many-requests` when too many wait already */
  hash(password: string): Promise<string>;
  /**
   * Takes as long without a stored hash, so that nobody learns which accounts exist.
   * @throws Problem `too-many-requests` when too many wait already
   */
  verify(password: string, stored: string | undefined): Promise<boolean>;
}

/**
 * @param concurrent how many are computed at a time: each takes 19 MiB and a thread
 * @param waiting how many may wait; more are refused, so that a flood of sign-ins cannot exhaust memory
 */
export async function openPasswords({ concurrent = 2, waiting = 60 } = {}): Promise<Passwords> {
  const gate = bulkhead(concurrent, waiting);

  const compute = async (password: string, { memory, passes, parallelism, salt, tag }: Omit<StoredPassword, 'tag'> & { tag: { length: number } }): Promise<Buffer> => {
    try {
      // NFKC, so that the same password typed on another keyboard is the same bytes.
      const message = password.normalize('NFKC');
      return await gate.execute(() => derive('argon2id', { message, nonce: salt, memory, passes, parallelism, tagLength: tag.length }));
    } catch (error) {
      if (error instanceof BulkheadRejectedError) throw new Problem('too-many-requests', 'Too many people sign in at this moment', { retryAfterSeconds: 2 });
      throw error;
    }
  };

  const hash = async (password: string): Promise<string> => {
    const salt = randomBytes(saltBytes);
    const tag = await compute(password, { ...current, salt, tag: { length: tagBytes } });
    return `$argon2id$v=19$m=${current.memory},t=${current.passes},p=${current.parallelism}$${unpadded(salt)}$${unpadded(tag)}`;
  };

  const nobody = await hash(randomBytes(saltBytes).toString('hex'));
  return {
    hash,
    async verify(password, stored) {
      const expected = readStored(stored ?? nobody);
      const same = timingSafeEqual(await compute(password, expected), expected.tag);
      return same && stored !== undefined;
    },
  };
}
