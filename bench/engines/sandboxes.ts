/** The sandboxes of Stripe and Adyen in a process of their own, so that what they cost stands apart. Ends with its parent. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAdyenSandbox } from '../../simulator/providers/adyen.ts';
import { startStripeSandbox } from '../../simulator/providers/stripe.ts';

const folder = await mkdtemp(join(tmpdir(), 'mobility-sandboxes-'));
const stripe = await startStripeSandbox({ port: 0, folder: join(folder, 'stripe') });
const adyen = await startAdyenSandbox({ port: 0, folder: join(folder, 'adyen') });
process.send?.({ stripeUrl: stripe.url, adyenUrl: adyen.url });
process.once('disconnect', () => {
  Promise.all([stripe.close(), adyen.close()]).then(() => rm(folder, { recursive: true, force: true })).then(() => process.exit(0), () => process.exit(1));
});
