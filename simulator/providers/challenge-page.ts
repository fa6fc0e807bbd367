/** The bank's page of a 3-D Secure challenge, as a sandbox shows it. */

const escaped = (value: string): string => value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** @param decidePath takes a POST with `decision=approve` or `decision=reject` */
export function challengePage({ merchant, amount, decidePath }: { merchant: string; amount: string; decidePath: string }): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Test bank: confirm your payment</title>
<style>body{font:18px/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem;color:#1b1b1f}button{font:inherit;padding:.7rem 1.4rem;margin:.5rem .5rem 0 0;border-radius:.5rem;border:2px solid #1b1b1f;background:#fff;cursor:pointer}button[value=approve]{background:#14532d;border-color:#14532d;color:#fff}</style></head>
<body><main><h1>Test bank</h1><p>${escaped(merchant)} asks for <strong>${escaped(amount)}</strong>. This is a sandbox: no money moves.</p>
<form method="post" action="${escaped(decidePath)}"><button name="decision" value="approve">Approve</button><button name="decision" value="reject">Reject</button></form></main></body></html>`;
}

export const donePage = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Test bank</title></head><body><main><h1>Test bank</h1><p>Done. You can close this page.</p></main></body></html>';

/** 12.34 EUR, from minor units of a currency with two decimals. */
export const amountText = (amountMinor: number, currency: string): string => `${(amountMinor / 100).toFixed(2)} ${currency.toUpperCase()}`;

/** The address to go back to, with the outcome as the provider hands it over. */
export function withQuery(address: string, query: Record<string, string>): string {
  const url = new URL(address);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}
