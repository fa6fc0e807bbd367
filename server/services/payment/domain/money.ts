/** Splitting amounts without losing or inventing a cent. All amounts are integer minor units. */

/**
 * Splits an amount by weights, by largest remainder: the parts add up to the amount, and each is
 * less than one unit from its exact share. Without any weight the first part takes it all.
 * @param amountMinor zero or more
 */
export function allocate(amountMinor: number, weights: readonly number[]): number[] {
  const positive = weights.map((weight) => Math.max(0, weight));
  const total = positive.reduce((sum, weight) => sum + BigInt(weight), 0n);
  if (total === 0n) return positive.map((_weight, index) => (index === 0 ? amountMinor : 0));
  const shares = positive.map((weight, index) => {
    const exact = BigInt(amountMinor) * BigInt(weight);
    return { index, whole: Number(exact / total), remainder: exact % total };
  });
  let left = amountMinor - shares.reduce((sum, share) => sum + share.whole, 0);
  const parts = shares.map((share) => share.whole);
  const byRemainder = shares.toSorted((a, b) => (a.remainder === b.remainder ? a.index - b.index : a.remainder > b.remainder ? -1 : 1));
  for (const { index } of byRemainder) {
    if (left === 0) break;
    parts[index] = (parts[index] ?? 0) + 1;
    left -= 1;
  }
  return parts;
}

/**
 * The tax in a refund that follows earlier ones: over all refunds of a price the taxes add up to the
 * tax of the price, however it is cut.
 */
export function taxOfRefund({ totalMinor, taxMinor, refundedBeforeMinor, refundMinor }: { totalMinor: number; taxMinor: number; refundedBeforeMinor: number; refundMinor: number }): number {
  if (totalMinor === 0) return 0;
  const taxUpTo = (refundedMinor: number): number => Number((BigInt(taxMinor) * BigInt(refundedMinor)) / BigInt(totalMinor));
  return taxUpTo(refundedBeforeMinor + refundMinor) - taxUpTo(refundedBeforeMinor);
}

/**
 * Which charges a refund is given back from, the first ones first.
 * @throws RangeError when they have not that much left
 */
export function splitRefund<Charge extends { leftMinor: number }>(amountMinor: number, charges: readonly Charge[]): { charge: Charge; amountMinor: number }[] {
  let left = amountMinor;
  const legs = charges.flatMap((charge) => {
    const part = Math.min(left, Math.max(0, charge.leftMinor));
    left -= part;
    return part > 0 ? [{ charge, amountMinor: part }] : [];
  });
  if (left > 0) throw new RangeError(`${amountMinor} is ${left} more than is left to give back`);
  return legs;
}
