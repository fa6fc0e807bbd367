/** Two payment providers with books of their own, whose lines break: before they have done anything, or after. */
import type { Provider } from '../../server/orchestrators/payments/contract.ts';
import { type ChargeRequest, type LookupOutcome, type LookupRequest, type ModificationRequest, type PaymentProvider, ProviderDown, type ProviderOutcome } from '../../server/orchestrators/payments/port.ts';
import type { Random } from '../../simulator/randomness.ts';
import type { ProviderCharge } from '../invariants/evidence.ts';
import type { Trouble } from './trouble.ts';

const declines = 0.05;
const cannotSay = 0.3;

export class SimulatedProvider implements PaymentProvider {
  readonly name: Provider;
  readonly #random: Random;
  readonly #trouble: Trouble;
  readonly #outcomes = new Map<string, ProviderOutcome>();
  readonly #charges = new Map<string, ProviderCharge>();
  isDown = false;

  constructor(name: Provider, random: Random, trouble: Trouble) {
    this.name = name;
    this.#random = random;
    this.#trouble = trouble;
  }

  get charges(): ProviderCharge[] {
    return [...this.#charges.values()];
  }

  /** One effect for each attempt, and the same answer each time, whatever becomes of it on the way. */
  #once(attempt: string, act: () => ProviderOutcome): ProviderOutcome {
    if (this.isDown || this.#trouble.hits('provider-down')) throw new ProviderDown(`${this.name} is down`);
    if (this.#trouble.hits('charge-lost')) throw new Error('the request was lost');
    const outcome = this.#outcomes.get(attempt) ?? act();
    this.#outcomes.set(attempt, outcome);
    if (this.#trouble.hits('charge-unanswered')) throw new Error('the answer was lost');
    return outcome;
  }

  async attach({ riderId, token }: { riderId: string; token: string }): ReturnType<PaymentProvider['attach']> {
    return { method: { provider: this.name, customerReference: riderId, methodReference: token }, brand: 'visa', last4: '4242' };
  }

  detach = async (): Promise<void> => undefined;
  close = async (): Promise<void> => undefined;

  async authorise({ attempt, amountMinor, capture }: ChargeRequest): Promise<ProviderOutcome> {
    return this.#once(attempt, () => {
      if (this.#random() < declines && !this.#trouble.isOver) return { result: 'declined', providerReference: null, amountMinor, declineReason: 'no-funds' };
      const id = `${this.name}:${attempt}`;
      this.#charges.set(id, { provider: this.name, id, attempt, heldMinor: capture ? 0 : amountMinor, capturedMinor: capture ? amountMinor : 0, refundedMinor: 0 });
      return { result: 'succeeded', providerReference: id, amountMinor };
    });
  }

  /** What was lost on its way does not arrive any more. */
  async lookup({ attempt }: LookupRequest): Promise<LookupOutcome> {
    if (this.isDown || this.#trouble.hits('provider-down')) throw new ProviderDown(`${this.name} is down`);
    const outcome = this.#outcomes.get(attempt);
    if (!outcome && this.#random() < cannotSay && !this.#trouble.isOver) return { result: 'undecided' };
    return outcome ?? { result: 'never-happened' };
  }

  async #change({ attempt, providerReference, amountMinor }: ModificationRequest, apply: (charge: ProviderCharge) => Partial<ProviderCharge>): Promise<ProviderOutcome> {
    return this.#once(attempt, () => {
      const charge = this.#charges.get(providerReference);
      if (!charge) return { result: 'declined', providerReference, amountMinor, declineReason: 'unknown' };
      this.#charges.set(providerReference, { ...charge, ...apply(charge) });
      return { result: 'succeeded', providerReference, amountMinor };
    });
  }

  capture = (request: ModificationRequest): Promise<ProviderOutcome> => this.#change(request, ({ capturedMinor }) => ({ heldMinor: 0, capturedMinor: capturedMinor + request.amountMinor }));
  void = (request: Pick<ModificationRequest, 'attempt' | 'providerReference'>): Promise<ProviderOutcome> => this.#change({ ...request, amountMinor: 0, currency: '' }, () => ({ heldMinor: 0 }));
  refund = (request: ModificationRequest): Promise<ProviderOutcome> => this.#change(request, ({ refundedMinor }) => ({ refundedMinor: refundedMinor + request.amountMinor }));
}
