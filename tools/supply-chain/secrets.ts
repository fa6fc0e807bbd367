/** Keys and passwords that somebody has committed. */

export interface SecretFinding {
  path: string;
  line: number;
  kind: string;
}

/** Put together from halves, so that this file is not found by itself. */
const patterns: [kind: string, pattern: RegExp][] = [
  ['private key', new RegExp(`-----BEGIN [A-Z ]*PRIVATE ${'KEY'}-----`, 'g')],
  ['private JWK', /"d"\s*:\s*"[A-Za-z0-9_-]{40,}"/g],
  ['AWS access key', /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g],
  ['Stripe key', /\b[sr]k_live_[A-Za-z0-9]{16,}/g],
  ['Stripe test key', /\bsk_test_[A-Za-z0-9]{24,}/g],
  ['webhook secret', /\bwhsec_[A-Za-z0-9]{24,}/g],
  ['GitHub token', /\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40,})/g],
  ['npm token', /\bnpm_[A-Za-z0-9]{36}\b/g],
  ['Slack token', /\bxox[abprs]-[A-Za-z0-9-]{20,}/g],
  ['Google key', /\bAIza[A-Za-z0-9_-]{35}\b/g],
  ['signed token', /\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}/g],
  ['password in an address', /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@'"`<>${}]+:[^\s/@'"`<>${}]{3,}@[^\s'"`]+/g],
];

/** Addresses with a password that is nobody's: of examples, and of servers that a test has started. */
const harmless = /:(password|PLANTED[\w-]*)@|@(localhost|127\.0\.0\.1|\[::1\]|[a-z0-9.-]*example(\.[a-z]+)?|[a-z-]+)([:/?]|$)/;

/** @param path as it is reported */
export function secretsIn(path: string, text: string): SecretFinding[] {
  return patterns.flatMap(([kind, pattern]) =>
    [...text.matchAll(pattern)].filter(([found]) => kind !== 'password in an address' || !harmless.test(found)).map(({ index }) => ({ path, kind, line: text.slice(0, index).split('\n').length })));
}
