/** `mobility city`: counts of the running program as JSON. */
import { z } from 'zod';
import { gatewayContract } from '../../gateway/contract.ts';
import { bookingContract } from '../../services/booking/contract.ts';
import { paymentContract } from '../../services/payment/contract.ts';
import { vehicleContract } from '../../services/vehicle/contract.ts';
import { readConfiguration } from '../configuration.ts';
import { demoClient } from './demo-client.ts';
import type { Terminal } from './token.ts';

const staffEmail = 'staff@demo.mobility.example';

/** Prints `{ vehicles, bookings, ledgerBalance, eventsPublished, eventsHandled }`. @throws CommandError */
export async function runCity(_rest: string[], { env, stdout }: Terminal): Promise<number> {
  const client = await demoClient(readConfiguration(env), env);
  const { token } = await client.token(staffEmail, 'staff');
  const ask = async <T extends z.ZodType>({ path, response }: { path: string; response: T }): Promise<z.output<T>> => response.parse(await client.get(path, token));
  const { vehicles } = await ask(vehicleContract.operations.countVehicles);
  const { bookings } = await ask(bookingContract.operations.countBookings);
  const { ledgerBalance } = await ask(paymentContract.operations.getLedger);
  const { eventsPublished, eventsHandled } = await ask(gatewayContract.operations.countEvents);
  stdout.write(`${JSON.stringify({ vehicles, bookings, ledgerBalance, eventsPublished, eventsHandled }, null, 2)}\n`);
  return 0;
}
