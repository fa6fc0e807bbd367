import { v7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../program/testing.ts';
import { type PaymentWorld, paymentWorld, refusal, riderCaller } from './testing/world.ts';

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
    expect((await stripe(bookingId)).map(({ capturedMinor }) => capturedMinor).sort()).toEqual([1000, 1600]);
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
