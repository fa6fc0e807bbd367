/** Adyen through its library, by the Checkout API. */
import { createHash } from 'node:crypto';
import { CardDetails } from '@adyen/api-library/lib/src/typings/checkout/cardDetails.js';
import type { PaymentDetailsResponse } from '@adyen/api-library/lib/src/typings/checkout/paymentDetailsResponse.js';
import { PaymentRequest } from '@adyen/api-library/lib/src/typings/checkout/paymentRequest.js';
import { PaymentResponse } from '@adyen/api-library/lib/src/typings/checkout/paymentResponse.js';
import { AdyenHttpClient } from './adyen-http.ts';
import { Client, Config, EnvironmentEnum, HttpClientException, ModificationsApi, PaymentsApi, RecurringApi } from './adyen-library.ts';
import type { StoredMethod } from './contract.ts';
import {
  type ChargeRequest, type LookupOutcome, type LookupRequest, MethodRefused, type ModificationRequest, type PaymentProvider, ProviderDown,
  type ProviderOutcome, turnedAway, wasNeverSent,
} from './port.ts';

export interface AdyenOptions {
  key: string;
  merchantAccount: string;
  url: string;
  timeoutMs: number;
  /** Adyen wants one with every payment; used where no rider waits. */
  returnUrl: string;
  nowMs: () => number;
}

/** Adyen keeps idempotency keys for at least seven days; after that a replay could be a second charge. */
const replayWindowMs = 6 * 24 * 3600 * 1000;

/** At most 64 characters. */
const keyOf = (attempt: string): string => createHash('sha256').update(`adyen:${attempt}`).digest('hex');

/** @throws ProviderDown for errors that say that nothing was done; all others as they are */
function rethrow(error: unknown): never {
  if (wasNeverSent(error)) throw new ProviderDown('Adyen cannot be reached', { cause: error });
  if (error instanceof HttpClientException && turnedAway(error.statusCode)) throw new ProviderDown(`Adyen turned the call away (${error.statusCode})`, { cause: error });
  throw error;
}

/** Refused by its content: nothing was done and nothing will be. 704 says that the first one is in work. */
const isRefusedRequest = (error: unknown): error is InstanceType<typeof HttpClientException> =>
  error instanceof HttpClientException && (error.statusCode === 400 || error.statusCode === 422) && error.errorCode !== '704';

type Result = Pick<PaymentResponse, 'resultCode' | 'refusalReason' | 'pspReference' | 'action'> | PaymentDetailsResponse;

function outcomeOf(response: Result, amountMinor: number): ProviderOutcome | { result: 'undecided' } {
  const common = { providerReference: response.pspReference ?? null, amountMinor };
  switch (response.resultCode as PaymentResponse.ResultCodeEnum | undefined) {
    case PaymentResponse.ResultCodeEnum.Authorised:
      return { result: 'succeeded', ...common };
    case PaymentResponse.ResultCodeEnum.Refused:
    case PaymentResponse.ResultCodeEnum.Cancelled:
    case PaymentResponse.ResultCodeEnum.Error:
      return { result: 'declined', ...common, declineReason: response.refusalReason ?? String(response.resultCode) };
    case PaymentResponse.ResultCodeEnum.RedirectShopper: {
      const action = 'action' in response ? response.action : undefined;
      const actionUrl = action && 'url' in action ? action.url : undefined;
      return actionUrl ? { result: 'action-required', ...common, actionUrl } : { result: 'undecided' };
    }
    default:
      return { result: 'undecided' };
  }
}

export class AdyenProvider implements PaymentProvider {
  readonly name = 'adyen';
  readonly #options: AdyenOptions;
  readonly #http: AdyenHttpClient;
  readonly #payments: InstanceType<typeof PaymentsApi>;
  readonly #modifications: InstanceType<typeof ModificationsApi>;
  readonly #recurring: InstanceType<typeof RecurringApi>;

  constructor(options: AdyenOptions) {
    this.#options = options;
    this.#http = new AdyenHttpClient(options.url);
    const config = new Config({ apiKey: options.key, environment: EnvironmentEnum.TEST, connectionTimeoutMillis: options.timeoutMs + 1000 });
    const client = new Client(config, this.#http);
    this.#payments = new PaymentsApi(client);
    this.#modifications = new ModificationsApi(client);
    this.#recurring = new RecurringApi(client);
  }

  async attach({ riderId, token }: { riderId: string; token: string }): Promise<{ method: StoredMethod; brand: string; last4: string }> {
    try {
      // A new token is a new card to Adyen, so this call needs no idempotency key.
      const response = await this.#payments.payments({
        merchantAccount: this.#options.merchantAccount, reference: `card-of-${riderId}`, amount: { value: 0, currency: 'EUR' }, returnUrl: this.#options.returnUrl,
        paymentMethod: { type: CardDetails.TypeEnum.Scheme, encryptedCard: token }, shopperReference: riderId, storePaymentMethod: true,
        recurringProcessingModel: PaymentRequest.RecurringProcessingModelEnum.CardOnFile, shopperInteraction: PaymentRequest.ShopperInteractionEnum.Ecommerce,
      });
      const methodReference = response.additionalData?.['tokenization.storedPaymentMethodId'];
      if (response.resultCode !== PaymentResponse.ResultCodeEnum.Authorised || !methodReference) throw new MethodRefused(response.refusalReason ?? 'Adyen does not keep this card');
      return {
        method: { provider: 'adyen', customerReference: riderId, methodReference },
        brand: response.paymentMethod?.brand ?? 'card', last4: response.additionalData?.['cardSummary'] ?? '',
      };
    } catch (error) {
      if (error instanceof MethodRefused) throw error;
      if (isRefusedRequest(error)) throw new MethodRefused(error.message, { cause: error });
      return rethrow(error);
    }
  }

  async detach({ methodReference, customerReference }: StoredMethod): Promise<void> {
    try {
      await this.#recurring.deleteTokenForStoredPaymentDetails(methodReference, customerReference, this.#options.merchantAccount);
    } catch (error) {
      // Unknown already: what was wanted.
      if (!isRefusedRequest(error)) rethrow(error);
    }
  }

  async #charge(request: ChargeRequest): Promise<ProviderOutcome | { result: 'undecided' }> {
    try {
      const response = await this.#payments.payments(
        {
          merchantAccount: this.#options.merchantAccount, reference: request.attempt, amount: { value: request.amountMinor, currency: request.currency },
          paymentMethod: { type: CardDetails.TypeEnum.Scheme, storedPaymentMethodId: request.method.methodReference },
          shopperReference: request.method.customerReference, shopperInteraction: PaymentRequest.ShopperInteractionEnum.ContAuth,
          recurringProcessingModel: request.returnUrl === undefined ? PaymentRequest.RecurringProcessingModelEnum.UnscheduledCardOnFile : PaymentRequest.RecurringProcessingModelEnum.CardOnFile,
          returnUrl: request.returnUrl ?? this.#options.returnUrl,
          ...(request.capture ? { captureDelayHours: 0 } : { additionalData: { manualCapture: 'true' } }),
        },
        { idempotencyKey: keyOf(request.attempt) },
      );
      return outcomeOf(response, request.amountMinor);
    } catch (error) {
      if (isRefusedRequest(error)) return { result: 'declined', providerReference: null, amountMinor: request.amountMinor, declineReason: error.errorCode ?? 'invalid-request' };
      return rethrow(error);
    }
  }

  async authorise(request: ChargeRequest): Promise<ProviderOutcome> {
    const outcome = await this.#charge(request);
    if (outcome.result === 'undecided') throw new Error(`Adyen has not decided on ${request.attempt} yet`);
    return outcome;
  }

  /**
   * Adyen cannot be asked by our reference. Its way is to send the same request with the same
   * idempotency key: it answers how the first one ended. One that was lost on its way is made now,
   * for the first time; it can never be made twice.
   */
  async lookup(request: LookupRequest): Promise<LookupOutcome> {
    if (request.providerReference !== null) {
      const response = await this.#payments.paymentsDetails({ paymentData: request.providerReference, details: {} }).catch(rethrow);
      return outcomeOf(response, request.amountMinor);
    }
    if (this.#options.nowMs() - request.requestedAt.getTime() > replayWindowMs) return { result: 'undecided' };
    return this.#charge(request);
  }

  async capture({ attempt, providerReference, amountMinor, currency }: ModificationRequest): Promise<ProviderOutcome> {
    return this.#modify(providerReference, amountMinor, () =>
      this.#modifications.captureAuthorisedPayment(providerReference, { ...this.#modification(attempt), amount: { value: amountMinor, currency } }, { idempotencyKey: keyOf(attempt) }),
    );
  }

  async void({ attempt, providerReference }: Pick<ModificationRequest, 'attempt' | 'providerReference'>): Promise<ProviderOutcome> {
    return this.#modify(providerReference, 0, () =>
      this.#modifications.cancelAuthorisedPaymentByPspReference(providerReference, this.#modification(attempt), { idempotencyKey: keyOf(attempt) }),
    );
  }

  async refund({ attempt, providerReference, amountMinor, currency }: ModificationRequest): Promise<ProviderOutcome> {
    return this.#modify(providerReference, amountMinor, () =>
      this.#modifications.refundCapturedPayment(providerReference, { ...this.#modification(attempt), amount: { value: amountMinor, currency } }, { idempotencyKey: keyOf(attempt) }),
    );
  }

  #modification(attempt: string): { merchantAccount: string; reference: string } {
    return { merchantAccount: this.#options.merchantAccount, reference: attempt };
  }

  async #modify(providerReference: string, amountMinor: number, make: () => Promise<unknown>): Promise<ProviderOutcome> {
    try {
      await make();
      return { result: 'succeeded', providerReference, amountMinor };
    } catch (error) {
      if (isRefusedRequest(error)) return { result: 'declined', providerReference, amountMinor, declineReason: error.message };
      return rethrow(error);
    }
  }

  async close(): Promise<void> {
    await this.#http.close();
  }
}
