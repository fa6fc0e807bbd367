/** Where `oidc-provider` keeps its records: one table of the gateway's schema. */
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import type { Sql, TransactionSql } from 'postgres';

/** Models whose records may be used once: the second use at the same moment has to lose. */
const onceOnly = new Set(['AuthorizationCode', 'RefreshToken', 'DeviceCode']);

/**
 * Records expire by the machine's clock, which `oidc-provider` itself reads; an offset of the program's
 * clock does not reach them.
 */
export class PostgresAdapter implements Adapter {
  readonly #sql: Sql;
  readonly #model: string;

  constructor(sql: Sql, model: string) {
    this.#sql = sql;
    this.#model = model;
  }

  async upsert(id: string, payload: AdapterPayload, expiresInSeconds: number): Promise<void> {
    const sql = this.#sql;
    const expiresAt = Number.isFinite(expiresInSeconds) ? new Date(Date.now() + expiresInSeconds * 1000) : null;
    await sql`
      insert into oidc_records (model, id, payload, account_id, grant_id, uid, user_code, expires_at)
      values (${this.#model}, ${id}, ${sql.json(payload as never)}, ${payload.accountId ?? null}, ${payload.grantId ?? null}, ${payload.uid ?? null}, ${payload.userCode ?? null}, ${expiresAt})
      on conflict (model, id) do update set payload = excluded.payload, account_id = excluded.account_id, grant_id = excluded.grant_id,
        uid = excluded.uid, user_code = excluded.user_code, expires_at = excluded.expires_at`;
  }

  async #findBy(column: 'id' | 'uid' | 'user_code', value: string): Promise<AdapterPayload | undefined> {
    const sql = this.#sql;
    // Ids of ours are letters and digits; PostgreSQL would refuse this one with an error.
    if (value.includes('\0')) return undefined;
    const [row] = await sql<{ payload: AdapterPayload; consumedAt: Date | null }[]>`
      select payload, consumed_at from oidc_records
      where model = ${this.#model} and ${sql(column)} = ${value} and (expires_at is null or expires_at > ${new Date()})`;
    if (!row) return undefined;
    return row.consumedAt ? { ...row.payload, consumed: Math.floor(row.consumedAt.getTime() / 1000) } : row.payload;
  }

  find(id: string): Promise<AdapterPayload | undefined> {
    return this.#findBy('id', id);
  }

  findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#findBy('uid', uid);
  }

  findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return this.#findBy('user_code', userCode);
  }

  /** @throws errors.InvalidGrant when another request has consumed it in the meantime */
  async consume(id: string): Promise<void> {
    const rows = await this.#sql`
      update oidc_records set consumed_at = ${new Date()} where model = ${this.#model} and id = ${id} and consumed_at is null returning id`;
    if (rows.length === 0 && onceOnly.has(this.#model)) throw new errors.InvalidGrant('used already');
  }

  async destroy(id: string): Promise<void> {
    await this.#sql`delete from oidc_records where model = ${this.#model} and id = ${id}`;
  }

  /** Everything that the grant led to, of whatever model. */
  async revokeByGrantId(grantId: string): Promise<void> {
    await this.#sql`delete from oidc_records where grant_id = ${grantId}`;
  }
}

/** Signs an account out everywhere. */
export async function revokeAccount(sql: Sql | TransactionSql, accountId: string): Promise<void> {
  await sql`delete from oidc_records where account_id = ${accountId}`;
}

export async function removeExpired(sql: Sql | TransactionSql): Promise<void> {
  await sql`delete from oidc_records where expires_at < ${new Date()}`;
}
