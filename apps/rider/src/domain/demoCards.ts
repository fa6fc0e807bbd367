/** Cards of the sandboxes, in place of the field in which a provider takes a real one. */
import type { MessageKey } from '../i18n/en';

export interface DemoCard {
  provider: 'stripe' | 'adyen';
  token: string;
  name: MessageKey;
  body: MessageKey;
}

export const demoCards: readonly DemoCard[] = [
  { provider: 'stripe', token: 'pm_card_visa', name: 'wallet.demo.visa', body: 'wallet.demo.visa.body' },
  { provider: 'stripe', token: 'pm_card_mastercard', name: 'wallet.demo.mastercard', body: 'wallet.demo.mastercard.body' },
  { provider: 'stripe', token: 'pm_card_authenticationRequired', name: 'wallet.demo.challenge', body: 'wallet.demo.challenge.body' },
  { provider: 'stripe', token: 'pm_card_visa_chargeDeclined', name: 'wallet.demo.declined', body: 'wallet.demo.declined.body' },
];
