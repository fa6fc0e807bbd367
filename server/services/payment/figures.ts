/** Money as figures: what was taken and given back, and whether the books add up. */
import type { ModuleContext } from '../../module.ts';
import { paymentContract } from './contract.ts';
import { ledgerAccounts } from './store.ts';

const { captured, captureFailed, refunded } = paymentContract.events;
/** All postings are added up for it. */
const ledgerHoldsMs = 60_000;

export function observePayments({ metrics, database }: ModuleContext): void {
  const count = (name: string, help: string) => (currency: string, by: number) => metrics.count(name, help, { currency }, by);
  const money = {
    [captured.type]: count('mobility_revenue_captured_minor_total', 'Money captured for rides, in minor units'),
    [refunded.type]: count('mobility_revenue_refunded_minor_total', 'Money given back, in minor units'),
    [captureFailed.type]: count('mobility_revenue_owed_minor_total', 'Money that could not be captured, in minor units'),
  };
  for (const add of Object.values(money)) add('EUR', 0);
  database.onPublished((event) => {
    const { data } = captureFailed.data.safeParse(event.data);
    if (data) money[event.type]?.(data.currency, data.amountMinor);
  });
  let balances: { atMs: number; answer: ReturnType<typeof ledgerAccounts> } | undefined;
  metrics.gauge('mobility_ledger_balance_minor', 'Sum of all accounts in minor units: never anything but 0; looked at once a minute', async () => {
    if (!balances || performance.now() - balances.atMs > ledgerHoldsMs) {
      const answer = ledgerAccounts(database.sql);
      const asked = { atMs: performance.now(), answer };
      balances = asked;
      answer.catch(() => {
        if (balances === asked) balances = undefined;
      });
    }
    const sums = new Map<string, number>([['EUR', 0]]);
    for (const { currency, balanceMinor } of await balances.answer) sums.set(currency, (sums.get(currency) ?? 0) + balanceMinor);
    return [...sums].map(([currency, value]) => ({ labels: { currency }, value }));
  });
}
