/** The test cards: each token is a card that always behaves in the same way. README.md has the same table for people. */

/** What a card does when it is charged or captured. */
export type CardBehaviour =
  | 'success'
  | 'declined'
  | 'insufficient-funds'
  | 'challenge'
  | 'timeout-after'
  | 'timeout-before'
  | 'reset-after'
  | 'capture-fails'
  | 'refused-at-attach';

export interface TestCard {
  behaviour: CardBehaviour;
  brand: 'visa' | 'mastercard' | 'amex';
  last4: string;
}

const card = (behaviour: CardBehaviour, last4: string, brand: TestCard['brand'] = 'visa'): TestCard => ({ behaviour, brand, last4 });

export const stripeCards: ReadonlyMap<string, TestCard> = new Map([
  ['pm_card_visa', card('success', '4242')],
  ['pm_card_mastercard', card('success', '4444', 'mastercard')],
  ['pm_card_amex', card('success', '8431', 'amex')],
  ['pm_card_visa_chargeDeclined', card('declined', '0002')],
  ['pm_card_visa_chargeDeclinedInsufficientFunds', card('insufficient-funds', '9995')],
  ['pm_card_chargeCustomerFail', card('declined', '0341')],
  ['pm_card_authenticationRequired', card('challenge', '3184')],
  ['pm_card_threeDSecure2Required', card('challenge', '3220')],
  ['pm_card_chargeDeclinedExpiredCard', card('refused-at-attach', '0069')],
  ['pm_sandbox_timeoutAfterCharge', card('timeout-after', '7001')],
  ['pm_sandbox_timeoutBeforeCharge', card('timeout-before', '7002')],
  ['pm_sandbox_resetAfterCharge', card('reset-after', '7003')],
  ['pm_sandbox_captureFails', card('capture-fails', '7004')],
]);

const adyenOwnCards: readonly (readonly [string, TestCard])[] = [
  ['tok_adyen_success', card('success', '1111')],
  ['tok_adyen_mastercard', card('success', '1115', 'mastercard')],
  ['tok_adyen_refused', card('declined', '0002')],
  ['tok_adyen_insufficient_funds', card('insufficient-funds', '9995')],
  ['tok_adyen_challenge', card('challenge', '5454')],
  ['tok_adyen_invalid', card('refused-at-attach', '0069')],
  ['tok_adyen_timeout_after', card('timeout-after', '7101')],
  ['tok_adyen_timeout_before', card('timeout-before', '7102')],
  ['tok_adyen_reset_after', card('reset-after', '7103')],
  ['tok_adyen_capture_fails', card('capture-fails', '7104')],
];

/**
 * The same card at Adyen under Stripe's token, as a network token would make it, so that the demo
 * shows a fallback. What breaks only the line to Stripe does not break the line to Adyen.
 */
const atAdyen = (behaviour: CardBehaviour): CardBehaviour =>
  behaviour === 'timeout-after' || behaviour === 'timeout-before' || behaviour === 'reset-after' ? 'success' : behaviour;

export const adyenCards: ReadonlyMap<string, TestCard> = new Map([
  ...adyenOwnCards,
  ...[...stripeCards].map(([token, known]) => [token, { ...known, behaviour: atAdyen(known.behaviour) }] as const),
]);

/** The same the other way: Adyen's tokens at Stripe. */
export const foreignCards: ReadonlyMap<string, TestCard> = new Map(adyenOwnCards.map(([token, known]) => [token, { ...known, behaviour: atAdyen(known.behaviour) }] as const));
