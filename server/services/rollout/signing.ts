/** Signs what vehicles believe, and the tickets that open archives. */
import { CompactSign, jwtVerify, SignJWT } from 'jose';
import type { BundleManifest, KeySet, RevertClaims, UpdateJobDocument } from '../../../edge/protocol/bundle.ts';
import type { SigningKey } from '../../infra/keys/port.ts';
import type { Database } from '../../infra/sql/port.ts';
import type { ModuleContext } from '../../module.ts';
import { Problem } from '../../wire/problem.ts';
import { insertSigningKey, listSigningKeys, lockName, type SigningKeyRow } from './store.ts';

/** Each key has a purpose of its own in the store of keys, so that the one before is there to sign the next. */
const purposeOf = (number: number): string => (number === 0 ? 'bundles' : `bundles-${number}`);
const ticketPurpose = 'archive-tickets';
/** A vehicle may be away for a season; what a ticket opens is no secret. */
const ticketLifetimeSeconds = 90 * 24 * 3600;

const sign = (key: SigningKey, typ: string, payload: object): Promise<string> =>
  new CompactSign(Buffer.from(JSON.stringify(payload))).setProtectedHeader({ alg: 'EdDSA', typ, kid: key.keyId }).sign(key.privateKey);

const publicPart = ({ publicJwk, keyId }: SigningKey): KeySet['keys'][number] => ({ kty: 'OKP', crv: 'Ed25519', x: String(publicJwk.x), kid: keyId, alg: 'EdDSA', use: 'sig' });

export class Signing {
  readonly #context: Pick<ModuleContext, 'keys' | 'clock' | 'configuration'>;
  readonly #database: Database;

  constructor(context: ModuleContext) {
    this.#context = context;
    this.#database = context.database;
  }

  /** The key that signs now, made at the first call, and the sets that lead to it. */
  async current(): Promise<{ key: SigningKey; row: SigningKeyRow; chain: string | undefined }> {
    let rows = await listSigningKeys(this.#database.sql);
    if (rows.length === 0) {
      const first = await this.#context.keys.signingKey(purposeOf(0), 'EdDSA');
      await insertSigningKey(this.#database.sql, { number: 0, keyId: first.keyId, publicJwk: publicPart(first), keySet: null });
      rows = await listSigningKeys(this.#database.sql);
    }
    const row = rows.at(-1);
    if (!row) throw new Error('there is no signing key');
    const key = await this.#context.keys.signingKey(purposeOf(row.number), 'EdDSA');
    const chain = rows.flatMap(({ keySet }) => keySet ?? []).join('~');
    return { key, row, chain: chain === '' ? undefined : chain };
  }

  /** @returns the id of the key that signs from now on */
  async rotate(): Promise<string> {
    await this.current();
    return this.#database.transaction(async ({ sql }) => {
      await lockName(sql, 'signing keys');
      const last = (await listSigningKeys(sql)).at(-1);
      if (!last) throw new Error('there is no signing key');
      const number = last.number + 1;
      const [before, after] = await Promise.all([last.number, number].map((each) => this.#context.keys.signingKey(purposeOf(each), 'EdDSA')));
      if (!before || !after) throw new Error('there is no signing key');
      const set: KeySet = { counter: number, keys: [publicPart(after)] };
      await insertSigningKey(sql, { number, keyId: after.keyId, publicJwk: publicPart(after), keySet: await sign(before, 'keys+jwt', set) });
      return after.keyId;
    });
  }

  /** The job that installs a bundle. */
  async updateDocument(manifest: BundleManifest): Promise<UpdateJobDocument> {
    const { key, chain } = await this.current();
    const archiveUrl = `${this.#context.configuration.publicUrl}/v1/bundles/${manifest.bundleId}/archive?ticket=${await this.ticket(manifest.bundleId)}`;
    return { operation: 'update', manifest: await sign(key, 'bundle+jwt', manifest), archiveUrl, ...(chain !== undefined && { keys: chain }) };
  }

  /** The job that undoes it: back to what a vehicle had before. */
  async revertDocument({ bundleId, kind }: BundleManifest): Promise<UpdateJobDocument> {
    const { key, chain } = await this.current();
    return { operation: 'revert', manifest: await sign(key, 'revert+jwt', { revert: bundleId, kind } satisfies RevertClaims), ...(chain !== undefined && { keys: chain }) };
  }

  async ticket(bundleId: string): Promise<string> {
    const { keyId, privateKey } = await this.#context.keys.signingKey(ticketPurpose, 'EdDSA');
    const seconds = Math.floor(this.#context.clock.nowMs() / 1000);
    return new SignJWT().setProtectedHeader({ alg: 'EdDSA', typ: 'ticket+jwt', kid: keyId }).setAudience(bundleId).setIssuedAt(seconds).setExpirationTime(seconds + ticketLifetimeSeconds).sign(privateKey);
  }

  /** @throws Problem `ticket-invalid` */
  async checkTicket(bundleId: string, ticket: string): Promise<void> {
    const { publicJwk } = await this.#context.keys.signingKey(ticketPurpose, 'EdDSA');
    try {
      await jwtVerify(ticket, publicJwk, { algorithms: ['EdDSA'], typ: 'ticket+jwt', audience: bundleId, currentDate: this.#context.clock.now(), requiredClaims: ['exp'] });
    } catch (cause) {
      throw new Problem('ticket-invalid', undefined, { cause });
    }
  }
}
