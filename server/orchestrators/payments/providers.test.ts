import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startAdyenSandbox } from '../../../simulator/providers/adyen.ts';
import { startStripeSandbox } from '../../../simulator/providers/stripe.ts';
import { AdyenProvider } from './adyen.ts';
import { type ConformanceTarget, describePaymentProvider } from './conformance.ts';
import { type PaymentProvider, ProviderDown } from './port.ts';
import { StripeProvider } from './stripe.ts';

async function sandboxed(start: typeof startStripeSandbox, open: (url: string) => PaymentProvider, tokens: ConformanceTarget['tokens']): Promise<ConformanceTarget> {
  const folder = await mkdtemp(join(tmpdir(), 'payment-sandbox-'));
  const sandbox = await start({ port: 0, folder });
  const provider = open(sandbox.url);
  return {
    provider, url: sandbox.url, tokens,
    async close() {
      await provider.close();
      await sandbox.close();
      await rm(folder, { recursive: true });
    },
  };
}

const stripe = (url: string) => new StripeProvider({ key: 'sk_test_conformance', url, timeoutMs: 5_000 });
const adyen = (url: string) => new AdyenProvider({ key: 'conformance', url, merchantAccount: 'Test', timeoutMs: 5_000, returnUrl: 'https://rider.example', nowMs: () => Date.now() });

describePaymentProvider('stripe', () => sandboxed(startStripeSandbox, stripe, {
  success: 'pm_card_visa', declined: 'pm_card_visa_chargeDeclined', insufficientFunds: 'pm_card_visa_chargeDeclinedInsufficientFunds', challenge: 'pm_card_authenticationRequired',
  timeoutAfter: 'pm_sandbox_timeoutAfterCharge', timeoutBefore: 'pm_sandbox_timeoutBeforeCharge', resetAfter: 'pm_sandbox_resetAfterCharge', captureFails: 'pm_sandbox_captureFails',
  refused: 'pm_card_chargeDeclinedExpiredCard',
}), { lostCharge: 'never-happened' });

// Adyen has no lookup by our reference; its documented way is the replay, see adyen.ts.
describePaymentProvider('adyen', () => sandboxed(startAdyenSandbox, adyen, {
  success: 'tok_adyen_success', declined: 'tok_adyen_refused', insufficientFunds: 'tok_adyen_insufficient_funds', challenge: 'tok_adyen_challenge',
  timeoutAfter: 'tok_adyen_timeout_after', timeoutBefore: 'tok_adyen_timeout_before', resetAfter: 'tok_adyen_reset_after', captureFails: 'tok_adyen_capture_fails',
  refused: 'tok_adyen_invalid',
}), { lostCharge: 'made-once' });

it.each([['stripe', stripe], ['adyen', adyen]] as const)('%s that cannot be reached has certainly done nothing', async (name, open) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const provider = open(`http://127.0.0.1:${port}`);
  const method = { provider: name, customerReference: 'c', methodReference: 'm' };
  await expect(provider.authorise({ attempt: 'test:unreachable', riderId: 'r', amountMinor: 1, currency: 'EUR', method, capture: false })).rejects.toBeInstanceOf(ProviderDown);
  await provider.close();
});
