/** A local Adyen: the wire format of its Checkout API v72 for cards on file. Tokens: README.md. */
import { randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { adyenCards, type CardBehaviour, type TestCard } from './cards.ts';
import { amountText, challengePage, donePage, withQuery } from './challenge-page.ts';
import { type Answer, type Execution, readJson, type Sandbox, type SandboxOptions, SandboxServer } from './server.ts';
import type { Table } from './storage.ts';

type Circumstances = Parameters<Execution['execute']>[0];

interface KeptCard extends TestCard {
  id: string;
  shopperReference: string;
}

interface Payment {
  pspReference: string;
  reference: string;
  amount: { value: number; currency: string };
  capturedMinor: number;
  refundedMinor: number;
  status: 'challenge' | 'authorised' | 'captured' | 'refused' | 'cancelled';
  immediateCapture: boolean;
  behaviour: CardBehaviour;
  returnUrl: string;
}

const Amount = z.object({ value: z.int().min(0), currency: z.string().regex(/^[A-Z]{3}$/) });
const PaymentBody = z.object({
  merchantAccount: z.string().min(1),
  reference: z.string().min(1),
  amount: Amount,
  paymentMethod: z.object({ type: z.literal('scheme'), encryptedCard: z.string().optional(), storedPaymentMethodId: z.string().optional() }),
  shopperReference: z.string().optional(),
  recurringProcessingModel: z.enum(['CardOnFile', 'Subscription', 'UnscheduledCardOnFile']).optional(),
  storePaymentMethod: z.boolean().optional(),
  returnUrl: z.string().optional(),
  captureDelayHours: z.number().optional(),
  additionalData: z.record(z.string(), z.string()).optional(),
});
const ModificationBody = z.object({ merchantAccount: z.string().min(1), amount: Amount.optional(), reference: z.string().optional() });
const DetailsBody = z.object({ paymentData: z.string().optional(), details: z.object({ redirectResult: z.string().optional() }).optional() });

/** 16 upper-case letters and digits, as Adyen's. */
const newReference = (): string => randomBytes(12).toString('base64').replace(/[^A-Za-z0-9]/g, 'X').toUpperCase();

const failure = (status: number, errorCode: string, message: string, errorType = 'validation', pspReference = newReference()): Answer => ({
  status, body: { status, errorCode, message, errorType, pspReference },
});
const unauthorised = failure(401, '000', 'HTTP Status Response - Unauthorized', 'security');
const malformed = (error: z.ZodError): Answer => failure(422, '702', `Structure of the request is invalid: ${error.issues[0]?.path.join('.')} ${error.issues[0]?.message}`);

const refusals: Partial<Record<CardBehaviour, { refusalReason: string; refusalReasonCode: string }>> = {
  'declined': { refusalReason: 'Refused', refusalReasonCode: '2' },
  'insufficient-funds': { refusalReason: 'Not enough balance', refusalReasonCode: '12' },
};

class AdyenSandbox {
  readonly server: SandboxServer;
  readonly cards: Table<KeptCard>;
  readonly payments: Table<Payment>;
  url = '';

  constructor(options: SandboxOptions) {
    this.server = new SandboxServer(options, {
      outage: failure(503, '905_3', 'The sandbox plays an outage.', 'internal'),
      keyReused: failure(422, '704', 'request already processed or in progress'),
      replayedHeader: 'idempotent-replayed',
    });
    this.cards = this.server.storage.table('cards');
    this.payments = this.server.storage.table('payments');
  }

  pay(body: unknown, circumstances: Circumstances): Answer {
    const parsed = PaymentBody.safeParse(body);
    if (!parsed.success) return malformed(parsed.error);
    const { paymentMethod, amount, shopperReference } = parsed.data;
    if (paymentMethod.encryptedCard !== undefined) return this.storeCard(parsed.data, paymentMethod.encryptedCard);
    const card = this.cards.get(paymentMethod.storedPaymentMethodId ?? '');
    if (!card || card.shopperReference !== shopperReference) return failure(422, '803', 'PaymentDetail not found');
    if (amount.value === 0) return failure(422, '137', 'Invalid amount specified');
    if (card.behaviour === 'timeout-before' && !circumstances.lostBefore) return { status: 504, body: {}, fault: 'timeout-before' };
    return this.charge(parsed.data, card);
  }

  /** A zero-value authorisation that keeps the card. */
  storeCard(request: z.output<typeof PaymentBody>, token: string): Answer {
    const card = adyenCards.get(token);
    if (!card) return failure(422, '174', 'Unable to decrypt data');
    if (!request.storePaymentMethod || !request.shopperReference || request.amount.value !== 0) return failure(422, '702', 'The sandbox takes new cards to store them only: amount 0, storePaymentMethod and shopperReference.');
    const pspReference = newReference();
    if (card.behaviour === 'refused-at-attach') return { status: 200, body: { pspReference, resultCode: 'Refused', refusalReason: 'Expired Card', refusalReasonCode: '6', merchantReference: request.reference } };
    const id = newReference();
    this.cards.put(id, { ...card, id, shopperReference: request.shopperReference });
    return {
      status: 200,
      body: {
        pspReference, resultCode: 'Authorised', amount: request.amount, merchantReference: request.reference, paymentMethod: { type: 'scheme', brand: card.brand },
        additionalData: { 'tokenization.storedPaymentMethodId': id, 'tokenization.shopperReference': request.shopperReference, 'tokenization.store.operationType': 'created', 'cardSummary': card.last4, 'paymentMethod': card.brand },
      },
    };
  }

  charge(request: z.output<typeof PaymentBody>, card: KeptCard): Answer {
    const immediateCapture = request.captureDelayHours === 0 || request.additionalData?.['manualCapture'] !== 'true';
    const payment: Payment = {
      pspReference: newReference(), reference: request.reference, amount: request.amount, capturedMinor: 0, refundedMinor: 0, status: 'authorised',
      immediateCapture, behaviour: card.behaviour, returnUrl: request.returnUrl ?? '',
    };
    const common = { pspReference: payment.pspReference, merchantReference: request.reference };
    const offSession = request.recurringProcessingModel === 'UnscheduledCardOnFile';
    const refusal = refusals[card.behaviour] ?? (card.behaviour === 'challenge' && offSession ? { refusalReason: 'Authentication required', refusalReasonCode: '38' } : undefined);
    if (refusal) {
      this.keep({ ...payment, status: 'refused' });
      return { status: 200, body: { ...common, resultCode: 'Refused', ...refusal } };
    }
    if (card.behaviour === 'challenge') {
      this.keep({ ...payment, status: 'challenge' });
      const action = { type: 'redirect', method: 'GET', paymentMethodType: 'scheme', paymentData: payment.pspReference, url: `${this.url}/sandbox/challenges/${payment.pspReference}` };
      return { status: 200, body: { ...common, resultCode: 'RedirectShopper', action } };
    }
    this.keep(this.authorised(payment));
    const fault = card.behaviour === 'timeout-after' || card.behaviour === 'reset-after' ? card.behaviour : 'none';
    return { status: 200, body: { ...common, resultCode: 'Authorised', amount: request.amount, paymentMethod: { type: 'scheme', brand: card.brand }, additionalData: { cardSummary: card.last4 } }, fault };
  }

  authorised(payment: Payment): Payment {
    return payment.immediateCapture ? { ...payment, status: 'captured', capturedMinor: payment.amount.value } : { ...payment, status: 'authorised' };
  }

  keep(payment: Payment): void {
    this.payments.put(payment.pspReference, payment);
  }

  /** How a challenge ended. The sandbox takes `paymentData` alone, too; Adyen wants the `redirectResult`. */
  details(body: unknown): Answer {
    const parsed = DetailsBody.safeParse(body);
    if (!parsed.success) return malformed(parsed.error);
    const payment = this.payments.get(parsed.data.details?.redirectResult ?? parsed.data.paymentData ?? '');
    if (!payment) return failure(422, '101', 'Invalid payment data');
    const common = { pspReference: payment.pspReference, merchantReference: payment.reference };
    if (payment.status === 'challenge') return { status: 200, body: { ...common, resultCode: 'Pending' } };
    if (payment.status === 'cancelled') return { status: 200, body: { ...common, resultCode: 'Cancelled' } };
    if (payment.status === 'refused') return { status: 200, body: { ...common, resultCode: 'Refused', refusalReason: '3D Not Authenticated', refusalReasonCode: '11' } };
    return { status: 200, body: { ...common, resultCode: 'Authorised', amount: payment.amount } };
  }

  modify(kind: 'captures' | 'cancels' | 'refunds', paymentPspReference: string, body: unknown, { forced }: Circumstances): Answer {
    const parsed = ModificationBody.safeParse(body);
    if (!parsed.success) return malformed(parsed.error);
    const payment = this.payments.get(paymentPspReference);
    if (!payment) return failure(422, '167', 'Original pspReference required for this operation');
    const value = parsed.data.amount?.value ?? 0;
    if (kind === 'captures') {
      if (payment.status !== 'authorised') return failure(422, '901', `The payment cannot be captured: it is ${payment.status}`);
      if (value < 1 || value > payment.amount.value) return failure(422, '137', 'Invalid amount specified');
      if (forced === 'capture-fails' || payment.behaviour === 'capture-fails') return failure(422, '901', 'Capture failed: the authorisation has expired');
      this.keep({ ...payment, status: 'captured', capturedMinor: value });
    }
    if (kind === 'cancels') {
      if (payment.status !== 'authorised' && payment.status !== 'challenge') return failure(422, '901', `The payment cannot be cancelled: it is ${payment.status}`);
      this.keep({ ...payment, status: 'cancelled' });
    }
    if (kind === 'refunds') {
      if (payment.status !== 'captured' || value < 1 || value > payment.capturedMinor - payment.refundedMinor) return failure(422, '137', 'Invalid amount specified');
      this.keep({ ...payment, refundedMinor: payment.refundedMinor + value });
    }
    return { status: 201, body: { ...parsed.data, pspReference: newReference(), paymentPspReference, status: 'received' } };
  }

  listCards(shopperReference: string, merchantAccount: string): Answer {
    const storedPaymentMethods = this.cards.list().filter((card) => card.shopperReference === shopperReference)
      .map(({ id, brand, last4 }) => ({ id, brand, lastFour: last4, type: 'scheme', supportedRecurringProcessingModels: ['CardOnFile', 'UnscheduledCardOnFile'] }));
    return { status: 200, body: { merchantAccount, shopperReference, storedPaymentMethods } };
  }

  /** @returns where to go then */
  decide(pspReference: string, decision: 'approve' | 'reject'): string | undefined {
    const payment = this.payments.get(pspReference);
    if (!payment || payment.status !== 'challenge') return undefined;
    this.keep(decision === 'approve' ? this.authorised(payment) : { ...payment, status: 'refused' });
    return payment.returnUrl ? withQuery(payment.returnUrl, { redirectResult: pspReference }) : undefined;
  }
}

function registerApi(sandbox: AdyenSandbox): void {
  const { server } = sandbox;
  const route = (method: 'GET' | 'POST' | 'DELETE', path: string, kind: Execution['kind'], execute: (request: FastifyRequest, circumstances: Circumstances) => Answer): void => {
    server.http.route({
      method, url: `/v72/${path}`,
      handler: async (request: FastifyRequest, reply: FastifyReply) => {
        if (!request.headers['x-api-key']) return reply.code(401).send(unauthorised.body);
        return server.serve(request, reply, { kind, execute: (circumstances) => execute(request, circumstances) });
      },
    });
  };
  const json = (request: FastifyRequest): unknown => readJson(SandboxServer.bodyOf(request));
  const query = (request: FastifyRequest): Record<string, string> => request.query as Record<string, string>;
  route('POST', 'payments', 'charge', (request, circumstances) => sandbox.pay(json(request), circumstances));
  route('POST', 'payments/details', 'read', (request) => sandbox.details(json(request)));
  const modifications = [['captures', 'capture'], ['cancels', 'change'], ['refunds', 'change']] as const;
  for (const [name, kind] of modifications) {
    route('POST', `payments/:id/${name}`, kind, (request, circumstances) => sandbox.modify(name, (request.params as { id: string }).id, json(request), circumstances));
  }
  route('POST', 'paymentMethods', 'read', () => ({ status: 200, body: { paymentMethods: [{ brands: ['visa', 'mc', 'amex'], name: 'Cards', type: 'scheme' }] } }));
  route('GET', 'storedPaymentMethods', 'read', (request) => sandbox.listCards(query(request)['shopperReference'] ?? '', query(request)['merchantAccount'] ?? ''));
  route('DELETE', 'storedPaymentMethods/:id', 'method', (request) => {
    const { id } = request.params as { id: string };
    const card = sandbox.cards.get(id);
    if (!card || card.shopperReference !== query(request)['shopperReference']) return failure(422, '803', 'PaymentDetail not found');
    sandbox.cards.delete(id);
    return { status: 204, body: undefined };
  });
}

function registerPages(sandbox: AdyenSandbox): void {
  const { http, storage } = sandbox.server;
  http.get<{ Params: { id: string } }>('/sandbox/challenges/:id', async (request, reply) => {
    const payment = sandbox.payments.get(request.params.id);
    const open = payment?.status === 'challenge';
    const page = payment && open ? challengePage({ merchant: 'MobilityCorp', amount: amountText(payment.amount.value, payment.amount.currency), decidePath: `/sandbox/challenges/${payment.pspReference}` }) : donePage;
    return reply.code(payment ? 200 : 404).type('text/html; charset=utf-8').send(page);
  });
  http.post<{ Params: { id: string } }>('/sandbox/challenges/:id', async (request, reply) => {
    const target = await storage.transaction(() => sandbox.decide(request.params.id, SandboxServer.decisionOf(request)));
    return reply.redirect(target ?? '/sandbox/done', 303);
  });
  http.get('/sandbox/done', async (_request, reply) => reply.type('text/html; charset=utf-8').send(donePage));
}

/** Starts an Adyen on this machine. The real library speaks to it through its HTTP client interface. */
export async function startAdyenSandbox(options: SandboxOptions): Promise<Sandbox> {
  const sandbox = new AdyenSandbox(options);
  registerApi(sandbox);
  registerPages(sandbox);
  sandbox.server.control(() =>
    sandbox.payments.list().map((payment) => ({
      id: payment.pspReference, attempt: payment.reference, status: payment.status, amountMinor: payment.amount.value,
      heldMinor: payment.status === 'authorised' ? payment.amount.value : 0, capturedMinor: payment.capturedMinor, refundedMinor: payment.refundedMinor, currency: payment.amount.currency,
    })),
  );
  const running = await sandbox.server.listen();
  sandbox.url = running.url;
  return running;
}
