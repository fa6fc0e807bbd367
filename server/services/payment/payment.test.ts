import { randomUUID } from 'node:crypto';
import { v7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../program/testing.ts';
import { RawReply } from '../../wire/contract.ts';
import { userContract } from '../user/contract.ts';
import { type PaymentWorld, paymentWorld, refusal, riderCaller, staffCaller } from './testing/world.ts';

let world: PaymentWorld;
beforeAll(async () => {
  world = await paymentWorld();
});
afterAll(() => world.dispose());
beforeEach(async () => {
  await Promise.all([world.behave('stripe', {}), world.behave('adyen', {})]);
});

const stripe = (bookingId: string) => world.atProvider('stripe', bookingId);
const adyen = (bookingId: string) => world.atProvider('adyen', bookingId);

describe('holding', () => {
  test('PAYMENT-01: a booking is held once, however often it is asked', async () => {
    const riderId = await world.rider();
    const bookingId = v7();
    const answers = await Promise.all([1, 2, 3, 4].map(() => world.authorise(bookingId, riderId)));
    expect(answers.every(({ state }) => state === 'authorised' || state === 'pending')).toBe(true);
    expect(await world.authorise(bookingId, riderId)).toMatchObject({ state: 'authorised', provider: 'stripe', authorisedMinor: 1500, capturedMinor: 0 });
    expect(await stripe(bookingId)).toMatchObject([{ heldMinor: 1500, capturedMinor: 0 }]);
  });

  test('PAYMENT-02: a rider without a usable method is told so, and nothing is asked', async () => {
    const bookingId = v7();
    expect(await world.authorise(bookingId, v7())).toMatchObject({ state: 'declined', failureCode: 'payment-method-missing' });
    const another = await world.addMethod(v7(), 'pm_card_visa');
    expect(await world.authorise(v7(), await world.rider(), { paymentMethodId: another.id })).toMatchObject({ failureCode: 'payment-method-missing' });
    expect(await stripe(bookingId)).toEqual([]);
  });

  test('PAYMENT-03: a decline is final and not tried at another provider', async () => {
    const bookingId = v7();
    expect(await world.authorise(bookingId, await world.rider('pm_card_visa_chargeDeclinedInsufficientFunds'))).toMatchObject({ state: 'declined', failureCode: 'payment-declined' });
    expect(await adyen(bookingId)).toEqual([]);
  });

  test('PAYMENT-04: a hold whose answer never came is pending, found by asking, and never made again', async () => {
    const riderId = await world.rider('pm_sandbox_timeoutAfterCharge');
    const bookingId = v7();
    expect(await world.authorise(bookingId, riderId)).toMatchObject({ state: 'pending' });
    const told = await world.untilEvent(bookingId, 'payments.resolved');
    expect(told.data).toMatchObject({ state: 'authorised', provider: 'stripe' });
    expect(await stripe(bookingId)).toHaveLength(1);
    expect(await adyen(bookingId)).toEqual([]);
  });

  test('PAYMENT-05: a hold that never reached the provider ends as declined', async () => {
    const bookingId = v7();
    expect(await world.authorise(bookingId, await world.rider('pm_sandbox_timeoutBeforeCharge'))).toMatchObject({ state: 'pending' });
    const told = await world.untilEvent(bookingId, 'payments.resolved');
    expect(told.data).toMatchObject({ state: 'declined', failureCode: 'payment-provider-down' });
    expect(await stripe(bookingId)).toEqual([]);
  });

  test('PAYMENT-06: a challenge is shown to the rider and decides the payment', async () => {
    const bookingId = v7();
    const challenged = await world.authorise(bookingId, await world.rider('pm_card_authenticationRequired'), { returnUrl: 'https://rider.example/done' });
    expect(challenged).toMatchObject({ state: 'action-required', actionUrl: expect.stringContaining('/sandbox/challenges/') });
    expect(await world.payments.resolve({ params: { bookingId } })).toMatchObject({ state: 'action-required', actionUrl: challenged.actionUrl });
    await fetch(challenged.actionUrl ?? '', { method: 'POST', body: new URLSearchParams({ decision: 'approve' }), redirect: 'manual' });
    const resolved = await world.payments.resolve({ params: { bookingId } });
    expect(resolved).toMatchObject({ state: 'authorised' });
    expect(resolved.actionUrl).toBeUndefined();
    expect((await world.untilEvent(bookingId, 'payments.resolved')).data).toMatchObject({ state: 'authorised' });
  });
});

describe('charging', () => {
  test('PAYMENT-07: the final price is charged once, with a receipt and an event', async () => {
    const { bookingId, riderId } = await world.held();
    const answers = await Promise.all([1, 2, 3].map(() => world.capture(bookingId, 1100)));
    expect(answers.every(({ state }) => state === 'captured' || state === 'capture-pending')).toBe(true);
    await world.untilState(bookingId, 'captured');
    expect(await stripe(bookingId)).toMatchObject([{ heldMinor: 0, capturedMinor: 1100 }]);
    const receipt = await world.payments.getReceipt({ params: { bookingId } }, { caller: riderCaller(riderId) });
    const told = await world.untilEvent(bookingId, 'payments.captured');
    expect(told.data).toEqual({ bookingId, riderId, amountMinor: 1100, currency: 'EUR', receiptNumber: receipt.number });
    expect((await world.events(bookingId)).filter(({ type }) => type === 'payments.captured')).toHaveLength(1);
  });

  test('PAYMENT-08: what the price has more than was held is charged apart', async () => {
    const { bookingId } = await world.held(undefined, 1000);
    expect(await world.capture(bookingId, 2600, { fineMinor: 1500 })).toMatchObject({ state: 'captured', authorisedMinor: 1000, capturedMinor: 2600 });
    expect((await stripe(bookingId)).map(({ capturedMinor }) => capturedMinor).sort((a, b) => a - b)).toEqual([1000, 1600]);
  });

  test('PAYMENT-09: a ride that costs nothing releases the hold', async () => {
    const { bookingId } = await world.held();
    expect(await world.capture(bookingId, 0)).toMatchObject({ state: 'voided', capturedMinor: 0 });
    expect(await stripe(bookingId)).toMatchObject([{ heldMinor: 0, capturedMinor: 0 }]);
  });

  test('PAYMENT-10: while the provider is down a capture is tried again until it is made', async () => {
    const { bookingId } = await world.held();
    await world.behave('stripe', { fault: 'outage' });
    expect(await world.capture(bookingId, 1200)).toMatchObject({ state: 'capture-pending', capturedMinor: 0 });
    await world.behave('stripe', {});
    await world.untilState(bookingId, 'captured', 15_000);
    expect(await stripe(bookingId)).toMatchObject([{ capturedMinor: 1200 }]);
  });

  test('PAYMENT-11: a refused capture leaves a debt, which bars new bookings until a new card has paid it', async () => {
    const { bookingId, riderId } = await world.held('pm_sandbox_captureFails');
    expect(await world.capture(bookingId, 1200)).toMatchObject({ state: 'capture-failed', capturedMinor: 0 });
    expect((await world.untilEvent(bookingId, 'payments.capture-failed')).data).toMatchObject({ riderId, amountMinor: 1200 });
    expect(await world.payments.getDebt({ params: { riderId } })).toEqual({ amountMinor: 1200, currency: 'EUR' });
    expect(await refusal(world.authorise(v7(), riderId))).toBe('debt-outstanding');
    await world.addMethod(riderId, 'pm_card_mastercard');
    await world.untilState(bookingId, 'captured');
    expect(await world.payments.getDebt({ params: { riderId } })).toEqual({ amountMinor: 0, currency: null });
    expect((await stripe(bookingId)).reduce((sum, { capturedMinor }) => sum + capturedMinor, 0)).toBe(1200);
    expect(await world.authorise(v7(), riderId)).toMatchObject({ state: 'authorised' });
    await eventually(async () => (await world.events(bookingId)).some(({ type }) => type === 'payments.captured'));
  });
});

describe('releasing and giving back', () => {
  test('PAYMENT-12: a hold is released once', async () => {
    const { bookingId } = await world.held();
    expect(await world.payments.void({ params: { bookingId } })).toMatchObject({ state: 'voided' });
    expect(await world.payments.void({ params: { bookingId } })).toMatchObject({ state: 'voided' });
    expect(await stripe(bookingId)).toMatchObject([{ heldMinor: 0, capturedMinor: 0 }]);
    expect(await refusal(world.capture(bookingId, 500))).toBe('wrong-state');
  });

  test('PAYMENT-12: a hold that is released while it is uncertain is released as soon as it is found', async () => {
    const bookingId = v7();
    expect(await world.authorise(bookingId, await world.rider('pm_sandbox_timeoutAfterCharge'))).toMatchObject({ state: 'pending' });
    await world.payments.void({ params: { bookingId } });
    await world.untilState(bookingId, 'voided');
    expect(await stripe(bookingId)).toMatchObject([{ heldMinor: 0, status: 'canceled' }]);
  });

  test('PAYMENT-12: a challenge that nobody answers is released', async () => {
    const bookingId = v7();
    await world.authorise(bookingId, await world.rider('pm_card_authenticationRequired'), { returnUrl: 'https://rider.example/done' });
    expect(await world.payments.void({ params: { bookingId } })).toMatchObject({ state: 'voided' });
    expect(await stripe(bookingId)).toMatchObject([{ status: 'canceled' }]);
  });

  test('PAYMENT-12: a release goes on while the provider is down', async () => {
    const { bookingId } = await world.held();
    await world.behave('stripe', { fault: 'outage' });
    expect(await world.payments.void({ params: { bookingId } })).toMatchObject({ state: 'authorised' });
    await world.behave('stripe', {});
    await world.untilState(bookingId, 'voided');
  });

  const refund = (bookingId: string, amountMinor: number, idempotencyKey: string = randomUUID()) =>
    world.payments.refund({ params: { bookingId }, body: { amountMinor, reason: 'Vehicle was dirty' } }, { caller: staffCaller, idempotencyKey });

  test('PAYMENT-13: money is given back once for a key, from the charges that it came from, and never more than was paid', async () => {
    const { bookingId } = await world.held(undefined, 1000);
    await world.capture(bookingId, 1800);
    const key = randomUUID();
    expect(await refund(bookingId, 1200, key)).toMatchObject({ state: 'captured', refundedMinor: 1200 });
    expect(await refund(bookingId, 1200, key)).toMatchObject({ refundedMinor: 1200 });
    expect(await refusal(refund(bookingId, 1100, key))).toBe('idempotency-key-reused');
    expect(await refusal(refund(bookingId, 601))).toBe('refund-too-large');
    const [a, b] = await Promise.allSettled([refund(bookingId, 400), refund(bookingId, 400)]);
    expect([a.status, b.status].sort()).toEqual(['fulfilled', 'rejected']);
    expect(await refund(bookingId, 200)).toMatchObject({ refundedMinor: 1800 });
    expect((await stripe(bookingId)).reduce((sum, { refundedMinor }) => sum + refundedMinor, 0)).toBe(1800);
    expect((await world.untilEvent(bookingId, 'payments.refunded')).data).toMatchObject({ reason: 'Vehicle was dirty' });
  });

  test('PAYMENT-13: a refund that the provider cannot take now is refused, and made when it is sent again', async () => {
    const { bookingId } = await world.held();
    expect(await refusal(refund(bookingId, 100))).toBe('wrong-state');
    await world.capture(bookingId, 900);
    const key = randomUUID();
    await world.behave('stripe', { fault: 'outage' });
    expect(await refusal(refund(bookingId, 300, key))).toBe('payment-provider-down');
    await world.behave('stripe', {});
    expect(await refund(bookingId, 300, key)).toMatchObject({ refundedMinor: 300 });
    expect(await refusal(refund(v7(), 300))).toBe('not-found');
  });

  test('PAYMENT-13: a refund whose answer never came goes on by itself and is made once', async () => {
    const { bookingId } = await world.held();
    await world.capture(bookingId, 900);
    await world.behave('stripe', { fault: 'timeout-after', times: 2 });
    const key = randomUUID();
    await refund(bookingId, 250, key).catch((error: unknown) => expect(error).toMatchObject({ code: 'payment-unresolved' }));
    await eventually(async () => (await world.get(bookingId)).refundedMinor === 250);
    expect(await refund(bookingId, 250, key)).toMatchObject({ refundedMinor: 250 });
    expect(await stripe(bookingId)).toMatchObject([{ refundedMinor: 250 }]);
  });
});

describe('providers', () => {
  test('PAYMENT-14: while Stripe is down Adyen holds and charges', async () => {
    const riderId = await world.rider();
    await world.behave('stripe', { fault: 'outage' });
    const bookingId = v7();
    expect(await world.authorise(bookingId, riderId)).toMatchObject({ state: 'authorised', provider: 'adyen' });
    expect(await world.capture(bookingId, 700)).toMatchObject({ state: 'captured', provider: 'adyen' });
    expect(await adyen(bookingId)).toMatchObject([{ capturedMinor: 700 }]);
    expect(await stripe(bookingId)).toEqual([]);
  });

  test('PAYMENT-14: when no provider answers the payment is refused as such', async () => {
    const riderId = await world.rider();
    await Promise.all([world.behave('stripe', { fault: 'outage' }), world.behave('adyen', { fault: 'outage' })]);
    expect(await world.authorise(v7(), riderId)).toMatchObject({ state: 'declined', failureCode: 'payment-provider-down' });
    expect(await refusal(world.addMethod(riderId, 'pm_card_visa'))).toBe('payment-provider-down');
  });
});

describe('methods', () => {
  test('PAYMENT-15: a method is added once for a key, and another body under it is refused', async () => {
    const riderId = v7();
    const key = randomUUID();
    const [first, second] = await Promise.all([world.addMethod(riderId, 'pm_card_visa', key), world.addMethod(riderId, 'pm_card_visa', key)]);
    expect(first).toEqual(second);
    expect(first).toMatchObject({ provider: 'stripe', brand: 'visa', last4: '4242' });
    expect(await refusal(world.addMethod(riderId, 'pm_card_amex', key))).toBe('idempotency-key-reused');
    expect(await refusal(world.addMethod(riderId, 'no_such_token'))).toBe('payment-method-invalid');
    expect((await world.payments.listPaymentMethods({}, { caller: riderCaller(riderId) })).items).toEqual([first]);
  });

  test('PAYMENT-16: the newest method is used; it cannot be removed while it pays for a booking, nor by others', async () => {
    const riderId = await world.rider('pm_card_visa_chargeDeclined');
    const newest = await world.addMethod(riderId, 'tok_adyen_success');
    const bookingId = v7();
    expect(await world.authorise(bookingId, riderId)).toMatchObject({ state: 'authorised' });
    const remove = (caller: string) => world.payments.removePaymentMethod({ params: { paymentMethodId: newest.id } }, { caller: riderCaller(caller) });
    expect(await refusal(remove(riderId))).toBe('rider-has-open-booking');
    expect(await refusal(remove(v7()))).toBe('not-found');
    await world.payments.void({ params: { bookingId } });
    await remove(riderId);
    expect(await refusal(remove(riderId))).toBe('not-found');
    expect((await world.payments.listPaymentMethods({}, { caller: riderCaller(riderId) })).items).toHaveLength(1);
  });

  test('PAYMENT-17: when a person is erased the cards go, here and at the providers; books and receipts stay', async () => {
    const { bookingId, riderId } = await world.held();
    await world.capture(bookingId, 900);
    const { sql } = world.process.database('payment') ?? (() => { throw new Error('no database'); })();
    await world.process.ports.events.append('users', [{
      specversion: '1.0', id: v7(), source: '/user', type: userContract.events.erased.type, subject: riderId, time: new Date().toISOString(),
      datacontenttype: 'application/json', dataschemaversion: 1, data: { riderId },
    }]);
    const rows = () => sql`select brand, last4, methods, idempotency_key from payment_methods where rider_id = ${riderId}`;
    await eventually(async () => JSON.stringify((await rows())[0]?.['methods']) === '[]');
    expect(await rows()).toMatchObject([{ brand: 'erased', last4: '', idempotencyKey: null }]);
    expect((await world.payments.listPaymentMethods({}, { caller: riderCaller(riderId) })).items).toEqual([]);
    expect(await world.payments.getReceipt({ params: { bookingId } }, { caller: staffCaller })).toMatchObject({ totalMinor: 900 });
  });
});

describe('receipts', () => {
  test('PAYMENT-18: only the own receipt is shown, and only when the ride is paid', async () => {
    const { bookingId, riderId } = await world.held();
    const read = (caller: string) => world.payments.getReceipt({ params: { bookingId } }, { caller: riderCaller(caller) });
    expect(await refusal(read(riderId))).toBe('receipt-not-ready');
    expect(await refusal(read(v7()))).toBe('not-found');
    await world.capture(bookingId, 1190, { fineMinor: 500 });
    expect(await refusal(read(v7()))).toBe('not-found');
    expect(await read(riderId)).toMatchObject({
      number: expect.stringMatching(/^\d{4}-\d{6}$/), totalMinor: 1190, taxMinor: 190, taxPercent: 19, refundedMinor: 0, currency: 'EUR',
      lines: [{ kind: 'riding', amountMinor: 690 }, { kind: 'fine-parking', amountMinor: 500 }], paidWith: { provider: 'stripe', brand: 'visa', last4: '4242' },
    });
  });

  test('PAYMENT-19: numbers of receipts have no gaps, also when many are issued at once', async () => {
    const rides = await Promise.all(Array.from({ length: 8 }, () => world.held()));
    await Promise.all(rides.map(({ bookingId }) => world.capture(bookingId, 800)));
    const { sql } = world.process.database('payment') ?? (() => { throw new Error('no database'); })();
    const numbers = (await sql<{ number: string }[]>`select number from receipts order by number`).map(({ number }) => Number(number.slice(5)));
    expect(numbers).toEqual(numbers.map((_number, index) => index + 1));
    await expect(sql`update receipts set number = '2026-999999'`).rejects.toThrow(/append-only/);
  });

  test('PAYMENT-20: a receipt comes as JSON, as a page in the language of the rider, and as PDF, with its refunds', async () => {
    const { bookingId, riderId } = await world.held();
    await world.capture(bookingId, 1190);
    await world.payments.refund({ params: { bookingId }, body: { amountMinor: 190, reason: 'Goodwill' } }, { caller: staffCaller, idempotencyKey: randomUUID() });
    const as = async (accept: string) => {
      const reply: unknown = await world.payments.getReceipt({ params: { bookingId } }, { caller: riderCaller(riderId), accept });
      if (!(reply instanceof RawReply)) throw new Error(`${accept} was answered with JSON`);
      return reply;
    };
    const page = await as('text/html,application/xhtml+xml;q=0.9');
    expect(page.contentType).toBe('text/html; charset=utf-8');
    expect(page.body).toMatch(/<html lang="de">/);
    expect(page.body).toMatch(/11,90\s€/);
    expect(page.body).toMatch(/Erstattet.*-1,90\s€/);
    expect(page.body).toContain('Max &#60;Plus&#62;');
    const pdf = await as('application/pdf');
    expect(Buffer.from(pdf.body as Uint8Array).subarray(0, 5).toString()).toBe('%PDF-');
    expect(await refusal(as('image/png'))).toBe('not-acceptable');
  });
});

describe('books', () => {
  test('PAYMENT-21: the ledger balances after everything above, and says where the money is', async () => {
    const { ledgerBalance, accounts } = await world.payments.getLedger({}, { caller: staffCaller });
    expect(ledgerBalance).toEqual({ EUR: 0 });
    const names = accounts.map(({ account }) => account);
    expect(names).toEqual(expect.arrayContaining(['provider-clearing:adyen', 'provider-clearing:stripe', 'refunds', 'revenue:fines', 'revenue:rides', 'vat-payable']));
    const { sql } = world.process.database('payment') ?? (() => { throw new Error('no database'); })();
    const [debts] = await sql<{ owed: number }[]>`select coalesce(sum((charge->>'totalMinor')::bigint - captured_minor), 0)::bigint as owed from payments where charge is not null`;
    expect(accounts.find(({ account }) => account === 'rider-receivable')?.balanceMinor ?? 0).toBe(debts?.owed);
  });

  test('PAYMENT-22: the database refuses an entry that does not balance, and any change of the books', async () => {
    const database = world.process.database('payment');
    if (!database) throw new Error('no database');
    const unbalanced = database.transaction(async ({ sql }) => {
      const id = v7();
      await sql`insert into ledger_entries (id, booking_id, kind, reference, booked_at) values (${id}, ${v7()}, 'refund', ${id}, now())`;
      await sql`insert into ledger_postings values (${id}, 'refunds', 'EUR', 100), (${id}, 'vat-payable', 'EUR', -99)`;
    });
    await expect(unbalanced).rejects.toThrow(/does not balance/);
    for (const table of ['ledger_entries', 'ledger_postings']) {
      await expect(database.sql`delete from ${database.sql(table)}`).rejects.toThrow(/append-only/);
      await expect(database.sql`truncate ${database.sql(table)} cascade`).rejects.toThrow(/append-only/);
    }
    await expect(database.sql`update ledger_postings set amount_minor = 1`).rejects.toThrow(/append-only/);
  });
});
