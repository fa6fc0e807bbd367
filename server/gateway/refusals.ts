/** Accounts whose tokens are refused before they expire: suspended or erased ones. */
import type { Database } from '../infra/sql/port.ts';
import type { Logger } from '../infra/observability/port.ts';
import { userContract } from '../services/user/contract.ts';
import { revokeAccount } from './identity/adapter.ts';

/** How long another process may not know yet what this one has heard. */
const refreshMs = 20_000;

export interface Refusals {
  isRefused(accountId: string): boolean;
  close(): void;
}

/** Hears of suspended and erased accounts, signs them out, and remembers them; other processes read the same table. */
export async function openRefusals(database: Database, logger: Logger, now: () => Date): Promise<Refusals> {
  const { suspended, reinstated, erased, roleChanged } = userContract.events;
  let refused = new Set<string>();
  const refresh = async () => {
    const rows = await database.sql<{ accountId: string }[]>`select account_id from refused_accounts`;
    refused = new Set(rows.map((row) => row.accountId));
  };
  database.consume(['users'], async (event, { sql }) => {
    const { riderId } = erased.data.parse(event.data);
    if (event.type === reinstated.type) {
      await sql`delete from refused_accounts where account_id = ${riderId} and reason = 'suspended'`;
      refused.delete(riderId);
    } else if (event.type === roleChanged.type) {
      // The next token has the roles of the account; who is no longer staff has to sign in for it.
      if (!roleChanged.data.parse(event.data).given) await revokeAccount(sql, riderId);
    } else if (event.type === suspended.type || event.type === erased.type) {
      const reason = event.type === erased.type ? 'erased' : 'suspended';
      await sql`insert into refused_accounts (account_id, reason, since) values (${riderId}, ${reason}, ${now()}) on conflict (account_id) do update set reason = excluded.reason`;
      await revokeAccount(sql, riderId);
      refused.add(riderId);
    }
  });
  await refresh();
  const timer = setInterval(() => void refresh().catch((error: unknown) => logger.warn({ error }, 'cannot read the refused accounts')), refreshMs);
  timer.unref();
  return { isRefused: (accountId) => refused.has(accountId), close: () => clearInterval(timer) };
}
