/** Wiring of the User service. */
import type { ModuleContext } from '../../module.ts';
import { defineModule } from '../../module.ts';
import type { Handlers } from '../../wire/contract.ts';
import { bookingContract } from '../booking/contract.ts';
import { paymentContract } from '../payment/contract.ts';
import { accountHandlers } from './accounts.ts';
import { userContract } from './contract.ts';
import { bookingIsOpenAfter } from './domain/account.ts';
import { openPasswords } from './passwords.ts';
import { profileHandlers } from './profiles.ts';
import * as store from './store.ts';

const dayMs = 24 * 3600 * 1000;
const registrationCleaning = 'registration-cleaning';

/** Keeps an own view of what stands in the way of erasure, from the events of bookings and payments. */
function followOtherServices({ database }: ModuleContext): void {
  const { captured, captureFailed } = paymentContract.events;
  database.consume(['bookings', 'payments'], async (event, { sql }) => {
    if (event.type === captureFailed.type) {
      await store.noteDebt(sql, captureFailed.data.parse(event.data));
    } else if (event.type === captured.type) {
      await store.settleDebt(sql, captured.data.parse(event.data).bookingId);
    } else if (event.type.startsWith('bookings.')) {
      const open = bookingIsOpenAfter(event.type);
      if (open === undefined) return;
      const { bookingId, riderId } = bookingContract.events.reserved.data.parse(event.data);
      await store.noteBooking(sql, { bookingId, riderId, open });
    }
  });
}

/** An Idempotency-Key of a registration is remembered for a day. */
async function cleanRegistrations({ database, clock }: ModuleContext): Promise<void> {
  const next = () => ({ kind: registrationCleaning, key: 'daily', dueAt: new Date(clock.nowMs() + dayMs) });
  database.onTimer(registrationCleaning, () =>
    database.transaction(async (transaction) => {
      await store.forgetRegistrations(transaction.sql, new Date(clock.nowMs() - dayMs));
      transaction.schedule(next());
    }),
  );
  await database.transaction(async (transaction) => transaction.schedule(next()));
}

export const userModule = defineModule<typeof userContract.operations>({
  name: 'user',
  contract: userContract,
  needs: [],
  migrations: new URL('./migrations/', import.meta.url),
  async start(context) {
    const { configuration } = context;
    const services = {
      ...context,
      passwords: await openPasswords(),
      digestKey: await context.keys.secret('user-digests'),
      verification: configuration.MOBILITY_VERIFICATION ?? (configuration.demo ? 'automatic' as const : 'manual' as const),
    };
    followOtherServices(context);
    await cleanRegistrations(context);
    const handlers: Handlers<typeof userContract.operations> = { ...accountHandlers(services), ...profileHandlers(services) };
    return { handlers };
  },
});
