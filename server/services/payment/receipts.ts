/** Receipts in the form that a caller accepts. */
import acceptNegotiator from '@fastify/accept-negotiator';
import { type Caller, RawReply } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import type { Receipt } from './contract.ts';
import { receiptPage } from './receipt-page.ts';
import { receiptPdf } from './receipt-pdf.ts';
import { findPayment, findReceipt, type Runner } from './store.ts';

const forms = ['application/json', 'text/html', 'application/pdf'];
const mayReadAll = (caller: Caller): boolean => caller.roles.some((role) => role === 'staff' || role === 'admin' || role === 'machine');

/**
 * @param accept the Accept header
 * @throws Problem `not-found` (also for another rider's), `receipt-not-ready`, `not-acceptable`
 */
export async function receiptFor(sql: Runner, bookingId: string, caller: Caller | undefined, accept: string): Promise<Receipt | RawReply> {
  if (!caller) throw new Problem('unauthenticated');
  const payment = await findPayment(sql, bookingId);
  if (!payment || (payment.riderId !== caller.subject && !mayReadAll(caller))) throw new Problem('not-found', 'you have no such booking');
  const found = await findReceipt(sql, bookingId);
  if (!found) throw new Problem('receipt-not-ready');
  const receipt: Receipt = { ...found.document, number: found.number, refundedMinor: found.refundedMinor };
  switch (acceptNegotiator.negotiate(accept, forms)) {
    case 'application/json':
      return receipt;
    case 'text/html':
      return new RawReply('text/html; charset=utf-8', receiptPage(receipt), { 'cache-control': 'private, no-store' });
    case 'application/pdf':
      return new RawReply('application/pdf', await receiptPdf(receipt), { 'cache-control': 'private, no-store', 'content-disposition': `inline; filename="${receipt.number}.pdf"` });
    default:
      throw new Problem('not-acceptable', `a receipt is made as ${forms.join(', ')}`);
  }
}
