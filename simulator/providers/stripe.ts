/** A local Stripe: the wire format of its API for customers, cards, payment intents and refunds. Tokens: README.md. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { amountText, challengePage, donePage, withQuery } from './challenge-page.ts';
import { foreignCards, stripeCards } from './cards.ts';
import { decodeForm, type FormObject, text, texts } from './form.ts';
import { type Answer, type Execution, type Sandbox, type SandboxOptions, SandboxServer } from './server.ts';
import {
  authenticationRequired, cardError, type Customer, declineOf, invalid, type KeptMethod, keyReused, list, missing, newId, newMethod,
  outage, type PaymentIntent, type Refund, unauthorised,
} from './stripe-objects.ts';
import type { Table } from './storage.ts';

type Circumstances = Parameters<Execution['execute']>[0];

const positive = (value: string | undefined): number | undefined => (value !== undefined && /^[1-9]\d{0,8}$/.test(value) ? Number(value) : undefined);

class StripeSandbox {
  readonly server: SandboxServer;
  readonly customers: Table<Customer>;
  readonly methods: Table<KeptMethod>;
  readonly intents: Table<PaymentIntent>;
  /** `customer:created:id` → id of the intent, to list the intents of a customer. */
  readonly intentsByCustomer: Table<string>;
  /** `intent:id`. */
  readonly refunds: Table<Refund>;
  url = '';

  constructor(options: SandboxOptions) {
    this.server = new SandboxServer(options, { outage, keyReused, replayedHeader: 'idempotent-replayed' });
    const { storage } = this.server;
    this.customers = storage.table('customers');
    this.methods = storage.table('methods');
    this.intents = storage.table('intents');
    this.intentsByCustomer = storage.table('intents-by-customer');
    this.refunds = storage.table('refunds');
  }

  nowSeconds(): number {
    return Math.floor(this.server.nowMs() / 1000);
  }

  createCustomer(form: FormObject): Answer {
    const customer: Customer = { id: newId('cus'), object: 'customer', created: this.nowSeconds(), livemode: false, metadata: texts(form['metadata']) };
    this.customers.put(customer.id, customer);
    return { status: 200, body: customer };
  }

  attach(token: string, form: FormObject): Answer {
    const customer = text(form['customer']) ?? '';
    if (!this.customers.get(customer)) return missing('customer', customer);
    const card = stripeCards.get(token) ?? foreignCards.get(token);
    const kept = card ? { method: newMethod(card, this.nowSeconds()), behaviour: card.behaviour } : this.methods.get(token);
    if (!kept) return missing('payment_method', token);
    if (kept.behaviour === 'refused-at-attach') return cardError('Your card has expired.', { code: 'expired_card', decline_code: 'expired_card' });
    if (kept.method.customer !== null && kept.method.customer !== customer) return invalid('The payment method is attached to another customer.', { code: 'payment_method_already_attached' });
    const method = { ...kept.method, customer };
    this.methods.put(method.id, { ...kept, method });
    return { status: 200, body: method };
  }

  detach(id: string): Answer {
    const kept = this.methods.get(id);
    if (!kept || kept.method.customer === null) return invalid('The payment method you provided is not attached to a customer so detachment is impossible.', { code: 'payment_method_not_attached' });
    const method = { ...kept.method, customer: null };
    this.methods.put(id, { ...kept, method });
    return { status: 200, body: method };
  }

  createIntent(form: FormObject, circumstances: Circumstances): Answer {
    const amount = positive(text(form['amount']));
    const currency = text(form['currency']);
    if (amount === undefined) return invalid('Invalid positive integer', { code: 'parameter_invalid_integer', param: 'amount' });
    if (!currency || !/^[a-z]{3}$/i.test(currency)) return invalid('Missing required param: currency.', { code: 'parameter_missing', param: 'currency' });
    const customer = text(form['customer']) ?? null;
    const methodId = text(form['payment_method']) ?? null;
    const kept = methodId === null ? undefined : this.methods.get(methodId);
    if (methodId !== null && !kept) return missing('payment_method', methodId);
    if (kept && kept.method.customer !== customer) return invalid('The customer does not have a payment method with this ID.', { code: 'payment_method_unexpected_state', param: 'payment_method' });
    const id = newId('pi');
    const intent: PaymentIntent = {
      id, object: 'payment_intent', amount, amount_capturable: 0, amount_received: 0, canceled_at: null, cancellation_reason: null,
      capture_method: text(form['capture_method']) === 'manual' ? 'manual' : 'automatic', client_secret: `${id}_secret_sandbox`, confirmation_method: 'automatic',
      created: this.nowSeconds(), currency: currency.toLowerCase(), customer, last_payment_error: null, latest_charge: null, livemode: false,
      metadata: texts(form['metadata']), next_action: null, payment_method: methodId, payment_method_types: ['card'],
      status: kept ? 'requires_confirmation' : 'requires_payment_method',
    };
    if (text(form['confirm']) === 'true') {
      if (!kept) return invalid('You cannot confirm this PaymentIntent because it is missing a payment method.', { code: 'payment_intent_unexpected_state' });
      if (kept.behaviour === 'timeout-before' && !circumstances.lostBefore) return { status: 504, body: {}, fault: 'timeout-before' };
      return this.confirm(intent, kept, { offSession: text(form['off_session']) === 'true', returnUrl: text(form['return_url']) });
    }
    return { status: 200, body: this.keep(intent) };
  }

  confirm(intent: PaymentIntent, { behaviour }: KeptMethod, { offSession, returnUrl }: { offSession: boolean; returnUrl: string | undefined }): Answer {
    const decline = declineOf(behaviour) ?? (behaviour === 'challenge' && offSession ? authenticationRequired : undefined);
    if (decline) {
      const refused = this.keep({ ...intent, status: 'requires_payment_method', payment_method: null, last_payment_error: { type: 'card_error', ...decline } });
      return cardError(decline.message, { code: decline.code, decline_code: decline.decline_code, payment_intent: refused });
    }
    if (behaviour === 'challenge') {
      const redirect = { url: `${this.url}/sandbox/challenges/${intent.id}`, return_url: returnUrl ?? '' };
      return { status: 200, body: this.keep({ ...intent, status: 'requires_action', next_action: { type: 'redirect_to_url', redirect_to_url: redirect } }) };
    }
    const fault = behaviour === 'timeout-after' || behaviour === 'reset-after' ? behaviour : 'none';
    return { status: 200, body: this.charged(intent), fault };
  }

  charged(intent: PaymentIntent): PaymentIntent {
    const manual = intent.capture_method === 'manual';
    return this.keep({
      ...intent, status: manual ? 'requires_capture' : 'succeeded', amount_capturable: manual ? intent.amount : 0, amount_received: manual ? 0 : intent.amount,
      latest_charge: newId('ch'), next_action: null,
    });
  }

  keep(intent: PaymentIntent): PaymentIntent {
    this.intents.put(intent.id, intent);
    if (intent.customer !== null) this.intentsByCustomer.put(`${intent.customer}:${String(intent.created).padStart(12, '0')}:${intent.id}`, intent.id);
    return intent;
  }

  listIntents(query: Record<string, string>): Answer {
    const customer = query['customer'] ?? '';
    const since = Number(query['created[gte]'] ?? 0);
    const limit = Math.min(100, Number(query['limit'] ?? 10));
    const found = this.intentsByCustomer.list(`${customer}:`).flatMap((id) => this.intents.get(id) ?? []).filter(({ created }) => created >= since).reverse();
    const after = query['starting_after'];
    const from = after ? found.findIndex(({ id }) => id === after) + 1 : 0;
    return list('/v1/payment_intents', found.slice(from, from + limit), found.length > from + limit);
  }

  /** Stripe's search language, as far as metadata goes: `metadata['attempt']:'…'`. */
  searchIntents(query: string): Answer {
    const [, name, value] = /^metadata\[['"](\w+)['"]\]:['"]([^'"]+)['"]$/.exec(query.trim()) ?? [];
    if (!name) return invalid('The sandbox searches by metadata only.', { param: 'query' });
    const data = this.intents.list('pi_').filter(({ metadata }) => metadata[name] === value);
    return { status: 200, body: { object: 'search_result', url: '/v1/payment_intents/search', has_more: false, next_page: null, data } };
  }

  capture(id: string, form: FormObject, { forced }: Circumstances): Answer {
    const intent = this.intents.get(id);
    if (!intent) return missing('payment_intent', id);
    if (intent.status !== 'requires_capture') return invalid(`This PaymentIntent could not be captured because it has a status of ${intent.status}.`, { code: 'payment_intent_unexpected_state', payment_intent: intent });
    const asked = text(form['amount_to_capture']);
    const amount = asked === undefined ? intent.amount_capturable : positive(asked);
    if (amount === undefined || amount > intent.amount_capturable) return invalid('The amount to capture is greater than the amount that can be captured.', { code: 'amount_too_large', param: 'amount_to_capture' });
    const fails = forced === 'capture-fails' || (intent.payment_method !== null && this.methods.get(intent.payment_method)?.behaviour === 'capture-fails');
    if (fails) return cardError('The charge could not be captured: the hold has lapsed.', { code: 'capture_charge_authorization_expired', payment_intent: intent });
    return { status: 200, body: this.keep({ ...intent, status: 'succeeded', amount_capturable: 0, amount_received: amount }) };
  }

  cancel(id: string): Answer {
    const intent = this.intents.get(id);
    if (!intent) return missing('payment_intent', id);
    if (intent.status === 'succeeded' || intent.status === 'canceled') return invalid(`You cannot cancel this PaymentIntent because it has a status of ${intent.status}.`, { code: 'payment_intent_unexpected_state', payment_intent: intent });
    return { status: 200, body: this.keep({ ...intent, status: 'canceled', amount_capturable: 0, canceled_at: this.nowSeconds(), next_action: null }) };
  }

  refundedOf(intentId: string): number {
    return this.refunds.list(`${intentId}:`).reduce((sum, { amount }) => sum + amount, 0);
  }

  refund(form: FormObject): Answer {
    const id = text(form['payment_intent']) ?? '';
    const intent = this.intents.get(id);
    if (!intent) return missing('payment_intent', id);
    const left = intent.amount_received - this.refundedOf(id);
    const asked = text(form['amount']);
    const amount = asked === undefined ? left : positive(asked);
    if (left === 0) return invalid('The charge has nothing left to refund.', { code: 'charge_already_refunded' });
    if (amount === undefined || amount > left) return invalid(`Refund amount is greater than unrefunded amount on charge (${left}).`, { param: 'amount' });
    const refund: Refund = {
      id: newId('re'), object: 'refund', amount, created: this.nowSeconds(), currency: intent.currency, metadata: texts(form['metadata']),
      payment_intent: id, reason: text(form['reason']) ?? null, status: 'succeeded',
    };
    this.refunds.put(`${id}:${refund.id}`, refund);
    return { status: 200, body: refund };
  }

  /** The rider's answer to a challenge. @returns where to go then */
  decide(id: string, decision: 'approve' | 'reject'): string | undefined {
    const intent = this.intents.get(id);
    const returnUrl = intent?.next_action?.redirect_to_url.return_url;
    if (!intent || intent.status !== 'requires_action') return undefined;
    if (decision === 'approve') this.charged(intent);
    else {
      const error = { type: 'invalid_request_error', code: 'payment_intent_authentication_failure', message: 'The provided payment method has failed authentication.' };
      this.keep({ ...intent, status: 'requires_payment_method', payment_method: null, next_action: null, last_payment_error: error });
    }
    if (!returnUrl) return '/sandbox/done';
    return withQuery(returnUrl, { payment_intent: id, payment_intent_client_secret: intent.client_secret, redirect_status: decision === 'approve' ? 'succeeded' : 'failed' });
  }
}

function registerApi(sandbox: StripeSandbox): void {
  const { server } = sandbox;
  const { http } = server;
  const id = (request: FastifyRequest): string => (request.params as { id: string }).id;
  const route = (method: 'GET' | 'POST', path: string, kind: Execution['kind'], execute: (form: FormObject, request: FastifyRequest, circumstances: Circumstances) => Answer): void => {
    http.route({
      method, url: `/v1/${path}`,
      handler: async (request: FastifyRequest, reply: FastifyReply) => {
        if (!/^Bearer [sr]k_test_/.test(request.headers.authorization ?? '')) return reply.code(401).send(unauthorised.body);
        void reply.header('request-id', newId('req'));
        const form = decodeForm(SandboxServer.bodyOf(request));
        return server.serve(request, reply, { kind, execute: (circumstances) => execute(form, request, circumstances) });
      },
    });
  };
  route('POST', 'customers', 'method', (form) => sandbox.createCustomer(form));
  route('GET', 'customers/:id', 'read', (_form, request) => {
    const customer = sandbox.customers.get(id(request));
    return customer ? { status: 200, body: customer } : missing('customer', id(request));
  });
  route('POST', 'payment_methods/:id/attach', 'method', (form, request) => sandbox.attach(id(request), form));
  route('POST', 'payment_methods/:id/detach', 'method', (_form, request) => sandbox.detach(id(request)));
  route('GET', 'payment_methods/:id', 'read', (_form, request) => {
    const kept = sandbox.methods.get(id(request));
    return kept ? { status: 200, body: kept.method } : missing('payment_method', id(request));
  });
  route('POST', 'payment_intents', 'charge', (form, _request, circumstances) => sandbox.createIntent(form, circumstances));
  route('GET', 'payment_intents', 'read', (_form, request) => sandbox.listIntents(request.query as Record<string, string>));
  route('GET', 'payment_intents/search', 'read', (_form, request) => sandbox.searchIntents((request.query as Record<string, string>)['query'] ?? ''));
  route('GET', 'payment_intents/:id', 'read', (_form, request) => {
    const intent = sandbox.intents.get(id(request));
    return intent ? { status: 200, body: intent } : missing('payment_intent', id(request));
  });
  route('POST', 'payment_intents/:id/capture', 'capture', (form, request, circumstances) => sandbox.capture(id(request), form, circumstances));
  route('POST', 'payment_intents/:id/cancel', 'change', (_form, request) => sandbox.cancel(id(request)));
  route('POST', 'refunds', 'change', (form) => sandbox.refund(form));
  route('GET', 'refunds', 'read', (_form, request) => {
    const intentId = (request.query as Record<string, string>)['payment_intent'] ?? '';
    return list('/v1/refunds', sandbox.refunds.list(`${intentId}:`));
  });
}

function registerPages(sandbox: StripeSandbox): void {
  const { http, storage } = sandbox.server;
  http.get<{ Params: { id: string } }>('/sandbox/challenges/:id', async (request, reply) => {
    const intent = sandbox.intents.get(request.params.id);
    const open = intent?.status === 'requires_action';
    const page = intent && open ? challengePage({ merchant: 'MobilityCorp', amount: amountText(intent.amount, intent.currency), decidePath: `/sandbox/challenges/${intent.id}` }) : donePage;
    return reply.code(intent ? 200 : 404).type('text/html; charset=utf-8').send(page);
  });
  http.post<{ Params: { id: string } }>('/sandbox/challenges/:id', async (request, reply) => {
    const target = await storage.transaction(() => sandbox.decide(request.params.id, SandboxServer.decisionOf(request)));
    return reply.redirect(target ?? '/sandbox/done', 303);
  });
  http.get('/sandbox/done', async (_request, reply) => reply.type('text/html; charset=utf-8').send(donePage));
}

/** Starts a Stripe on this machine. The real SDK speaks to it by its `host`, `port` and `protocol` options. */
export async function startStripeSandbox(options: SandboxOptions): Promise<Sandbox> {
  const sandbox = new StripeSandbox(options);
  registerApi(sandbox);
  registerPages(sandbox);
  sandbox.server.control(() =>
    sandbox.intents.list('pi_').map((intent) => ({
      id: intent.id, attempt: intent.metadata['attempt'], status: intent.status, amountMinor: intent.amount, heldMinor: intent.amount_capturable,
      capturedMinor: intent.amount_received, refundedMinor: sandbox.refundedOf(intent.id), currency: intent.currency.toUpperCase(),
    })),
  );
  const running = await sandbox.server.listen();
  sandbox.url = running.url;
  return running;
}
