/** How often a password may be tried. Counted before the check, given back when it was right. */

export interface AttemptLimit {
  /** What attempts are counted by. */
  key: string;
  maximum: number;
}

export const attemptWindowMs = 15 * 60 * 1000;

/**
 * The counters of one attempt, in the order in which they count: one that is used up ends the attempt, and those behind it
 * do not count it. One address has few tries at one account, so that a stranger elsewhere, who goes on trying from there,
 * cannot lock its owner out; an address and an account have more in all.
 * @param emailDigest not the address itself: counters are kept outside the database
 */
export function attemptLimits(emailDigest: string, address: string | undefined): AttemptLimit[] {
  const ofAddress = address === undefined ? [] : [{ key: `sign-in:pair:${emailDigest}:${address}`, maximum: 6 }, { key: `sign-in:address:${address}`, maximum: 60 }];
  return [...ofAddress, { key: `sign-in:account:${emailDigest}`, maximum: 30 }];
}
